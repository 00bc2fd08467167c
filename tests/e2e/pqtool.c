/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What psql cannot do: libpq's pipeline mode, binary results, and a prepared statement that is
 * executed many times. Prints one line per result, for the shell tests to compare.
 *
 * usage: pqtool pipeline CONNINFO SQL…     each SQL one extended-protocol request; `;` alone is a
 * Sync pqtool binary CONNINFO SQL        rows in binary, as hex; NULL as - pqtool prepared CONNINFO
 * N SQL    Parse once, execute N times
 *        pqtool stream CONNINFO SQL        one row at a time; prints the first row and how many
 * there were
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

static void on_notice(void *arg, const char *message)
{
	(void)arg;
	printf("NOTICE %s", message);
	fflush(stdout);
}

static PGconn *connect_or_die(const char *conninfo)
{
	PGconn *c = PQconnectdb(conninfo);

	if (PQstatus(c) != CONNECTION_OK) {
		fprintf(stderr, "%s", PQerrorMessage(c));
		exit(2);
	}
	PQsetNoticeProcessor(c, on_notice, NULL);
	return c;
}

static void print_hex(const PGresult *res, int row, int column)
{
	const unsigned char *value = (const unsigned char *)PQgetvalue(res, row, column);

	if (PQgetisnull(res, row, column)) {
		printf("-");
		return;
	}
	for (int i = 0; i < PQgetlength(res, row, column); i++)
		printf("%02x", value[i]);
}

static void print_rows(const PGresult *res)
{
	for (int row = 0; row < PQntuples(res); row++) {
		printf("ROW");
		for (int column = 0; column < PQnfields(res); column++) {
			printf(" ");
			if (PQfformat(res, column))
				print_hex(res, row, column);
			else
				printf("%s", PQgetisnull(res, row, column)
						     ? "-"
						     : PQgetvalue(res, row, column));
		}
		printf("\n");
	}
}

static void print_result(const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	switch (PQresultStatus(res)) {
	case PGRES_PIPELINE_SYNC:
		printf("SYNC\n");
		break;
	case PGRES_PIPELINE_ABORTED:
		printf("ABORTED\n");
		break;
	case PGRES_FATAL_ERROR:
		printf("ERROR %s %s\n", state ? state : "-",
			text ? text : PQresultErrorMessage(res));
		break;
	default:
		print_rows(res);
		printf("DONE %s\n", PQcmdStatus((PGresult *)(uintptr_t)res));
	}
	fflush(stdout);
}

static int run_pipeline(PGconn *c, int n, char **sql)
{
	int n_syncs = 1, n_seen = 0, n_null = 0;

	if (!PQenterPipelineMode(c))
		return 2;
	for (int i = 0; i < n; i++) {
		if (strcmp(sql[i], ";") == 0) {
			n_syncs++;
			PQpipelineSync(c);
		} else if (!PQsendQueryParams(c, sql[i], 0, NULL, NULL, NULL, NULL, 0)) {
			fprintf(stderr, "%s", PQerrorMessage(c));
			return 2;
		}
	}
	PQpipelineSync(c);
	/* NULL separates results; two in a row with nothing left mean that the connection is gone.
	 */
	while (n_seen < n_syncs && n_null < 2) {
		PGresult *res = PQgetResult(c);

		n_null = res ? 0 : n_null + 1;
		if (!res)
			continue;
		n_seen += PQresultStatus(res) == PGRES_PIPELINE_SYNC;
		print_result(res);
		PQclear(res);
	}
	printf("STATE %d\n", (int)PQtransactionStatus(c));
	PQexitPipelineMode(c);
	return n_seen == n_syncs ? 0 : 1;
}

static int run_binary(PGconn *c, const char *sql)
{
	PGresult *res = PQexecParams(c, sql, 0, NULL, NULL, NULL, NULL, 1);
	int status = PQresultStatus(res) == PGRES_TUPLES_OK ? 0 : 1;

	print_result(res);
	PQclear(res);
	return status;
}

static int run_params(PGconn *c, const char *sql, int n, const char *const *values)
{
	PGresult *res = PQexecParams(c, sql, n, NULL, values, NULL, NULL, 0);
	int status = PQresultStatus(res) == PGRES_FATAL_ERROR;

	print_rows(res);
	print_result(res);
	PQclear(res);
	return status;
}

/* Each parameter as OID=VALUE: with the type that the client declares for it. */
static int run_typed(PGconn *c, const char *sql, int n, char **typed)
{
	const char *values[16];
	Oid types[16];
	PGresult *res;
	int status;

	for (int i = 0; i < n && i < 16; i++) {
		char *end;

		types[i] = (Oid)strtoul(typed[i], &end, 10);
		values[i] = *end ? end + 1 : end;
	}
	res = PQexecParams(c, sql, n < 16 ? n : 16, types, values, NULL, NULL, 0);
	status = PQresultStatus(res) == PGRES_FATAL_ERROR;
	print_result(res);
	PQclear(res);
	return status;
}

static int run_prepared(PGconn *c, const char *times, const char *sql)
{
	PGresult *res = PQprepare(c, "s1", sql, 0, NULL);
	int status = PQresultStatus(res) == PGRES_COMMAND_OK ? 0 : 1;

	if (status)
		print_result(res);
	PQclear(res);
	for (long i = strtol(times, NULL, 10); !status && i > 0; i--) {
		res = PQexecPrepared(c, "s1", 0, NULL, NULL, NULL, 0);
		status = PQresultStatus(res) == PGRES_FATAL_ERROR;
		print_result(res);
		PQclear(res);
	}
	return status;
}

static int run_stream(PGconn *c, const char *sql)
{
	long n = 0;
	int status = 0;

	if (!PQsendQuery(c, sql) || !PQsetSingleRowMode(c))
		return 2;
	for (PGresult *res = PQgetResult(c); res; res = PQgetResult(c)) {
		if (PQresultStatus(res) == PGRES_SINGLE_TUPLE) {
			if (n++ == 0)
				print_rows(res);
		} else {
			status = PQresultStatus(res) == PGRES_FATAL_ERROR;
			print_result(res);
		}
		PQclear(res);
	}
	printf("ROWS %ld\n", n);
	return status;
}

int main(int argc, char **argv)
{
	PGconn *c;
	int status = 2;

	if (argc < 4) {
		fprintf(stderr,
			"usage: pqtool pipeline|binary|stream|prepared|params|typed CONNINFO …\n");
		return 2;
	}
	c = connect_or_die(argv[2]);
	if (strcmp(argv[1], "pipeline") == 0)
		status = run_pipeline(c, argc - 3, argv + 3);
	else if (strcmp(argv[1], "binary") == 0)
		status = run_binary(c, argv[3]);
	else if (strcmp(argv[1], "stream") == 0)
		status = run_stream(c, argv[3]);
	else if (strcmp(argv[1], "prepared") == 0 && argc == 5)
		status = run_prepared(c, argv[3], argv[4]);
	else if (strcmp(argv[1], "params") == 0)
		status = run_params(c, argv[3], argc - 4, (const char *const *)argv + 4);
	else if (strcmp(argv[1], "typed") == 0)
		status = run_typed(c, argv[3], argc - 4, argv + 4);
	if (PQstatus(c) == CONNECTION_OK) {
		PGresult *res = PQexec(c, "SELECT 'still usable'");

		print_result(res);
		PQclear(res);
	}
	PQfinish(c);
	return status;
}
