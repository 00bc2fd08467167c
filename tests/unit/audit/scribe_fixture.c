/* SPDX-License-Identifier: Apache-2.0 */
#include "scribe_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit_fixture.h"

void scribe_fixture_init(struct scribe_fixture *s, const char *ledger)
{
	*s = (struct scribe_fixture){.ledger = ledger};
	s->wake = eventfd(0, EFD_NONBLOCK);
	s->stop = eventfd(0, EFD_NONBLOCK);
	for (unsigned i = 0; i < SCRIBE_RINGS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "ring%u", i);
		s->ring_paths[i] = fixture_path(name);
		s->commit_fds[i] = eventfd(0, EFD_NONBLOCK);
		cr_assert_eq(journal_open_writer(
				     s->ring_paths[i], SCRIBE_RING_SIZE, s->wake, &s->rings[i]),
			0);
	}
}

void scribe_fixture_start(struct scribe_fixture *s, bool close_orphans)
{
	int ready[2];

	cr_assert_eq(pipe(ready), 0);
	s->pid = fork();
	if (!s->pid) {
		struct scribe_config config = {.ledger_path = s->ledger,
			.ring_paths = s->ring_paths,
			.ring_kinds = s->kinds,
			.wake_fd = s->wake,
			.commit_fds = s->commit_fds,
			.stop_fd = s->stop,
			.ready_fd = ready[1],
			.signer = s->signer,
			.close_orphans = close_orphans};

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		_exit(scribe_run(&config) ? 1 : 0);
	}
	close(ready[1]);
	cr_assert_eq(read(ready[0], &s->ids, sizeof(s->ids)), (ssize_t)sizeof(s->ids));
	cr_expect_eq(read(ready[0], &(char){0}, 1), 0, "closed behind it");
	close(ready[0]);
}

void scribe_fixture_stop(struct scribe_fixture *s)
{
	int status;

	eventfd_write(s->stop, 1);
	cr_assert_eq(waitpid(s->pid, &status, 0), s->pid);
	cr_expect(WIFEXITED(status) && !WEXITSTATUS(status), "status %#x", status);
	eventfd_read(s->stop, &(eventfd_t){0});
	s->pid = 0;
}

void scribe_fixture_kill(struct scribe_fixture *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

void scribe_fixture_deinit(struct scribe_fixture *s)
{
	if (s->pid)
		scribe_fixture_kill(s);
	for (unsigned i = 0; i < SCRIBE_RINGS; i++) {
		journal_close(s->rings[i]);
		close(s->commit_fds[i]);
	}
	close(s->wake);
	close(s->stop);
}
