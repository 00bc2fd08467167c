#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ways out, tried one by one from inside a run. Each attempt is a child of its own, since some are
answered with a signal. Prints `blocked NAME why` or `ESCAPED NAME what`; the test judges, and also
looks at what the servers outside received.

usage: attempts.py NAME…      where the outside is comes by environment: OUT_TCP, OUT_UDP (ports),
OUT_UNIX (path), OUT_ABSTRACT (name), OUT_PID, OUT_PORT_ENFORCER, HOLDFAST_DIR, HOLDFAST_LEDGER
"""
import ctypes
import fcntl
import os
import socket
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
MARK = b"escaped through "
LOCAL = "127.0.0.1"


def open_descriptors():
    found = []
    for fd in range(3, 1024):
        try:
            found.append(f"{fd}={os.readlink(f'/proc/self/fd/{fd}')}")
        except OSError:
            pass
    return found


BORN_WITH = open_descriptors()


def env(name):
    return os.environ[name]


def syscall(number, *args):
    """For what has no wrapper; -1 becomes the OSError it stands for."""
    args = [ctypes.c_void_p(a) if isinstance(a, int) else a for a in args]
    result = libc.syscall(ctypes.c_long(number), *args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def tcp(name, address=LOCAL, port=None, prepare=None, family=socket.AF_INET):
    s = socket.socket(family)
    s.settimeout(5)
    if prepare:
        prepare(s)
    s.connect((address, int(port or env("OUT_TCP"))))
    s.sendall(MARK + name.encode())
    answer = s.recv(100)
    if not answer:
        raise OSError(0, "closed at once")
    return answer


# ---- addresses and options ---------------------------------------------------------------------

def tcp_unlisted():
    return tcp("tcp_unlisted")


def tcp_mapped():
    return tcp("tcp_mapped", "::ffff:127.0.0.1", family=socket.AF_INET6)


def tcp_enforcer_port():
    return tcp("tcp_enforcer_port", port=env("OUT_PORT_ENFORCER"))


def tcp_token_address():
    return tcp("tcp_token_address", "127.64.0.7", port=env("OUT_PORT_ENFORCER"))


def bind_to_device():
    return tcp("bind_to_device", prepare=lambda s: s.setsockopt(socket.SOL_SOCKET, 25, b"lo\0"))


def source_route():
    option = b"\x83\x07\x04" + socket.inet_aton(LOCAL) + b"\0"
    return tcp("source_route", prepare=lambda s: s.setsockopt(socket.IPPROTO_IP, 4, option))


def fast_open():
    s = socket.socket()
    s.settimeout(5)
    s.sendto(MARK + b"fast_open", socket.MSG_FASTOPEN, (LOCAL, int(env("OUT_TCP"))))
    if not s.recv(100):
        raise OSError(0, "closed at once")
    return "answered"


def bound_source():
    return tcp("bound_source", prepare=lambda s: s.bind((LOCAL, 0)))


# ---- families and protocols ---------------------------------------------------------------------

def udp_sendto():
    s = socket.socket(type=socket.SOCK_DGRAM)
    return s.sendto(MARK + b"udp_sendto", (LOCAL, int(env("OUT_UDP"))))


def udp_connected():
    s = socket.socket(type=socket.SOCK_DGRAM)
    s.connect((LOCAL, int(env("OUT_UDP"))))
    return s.send(MARK + b"udp_connected")


def udp_mapped():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    return s.sendto(MARK + b"udp_mapped", ("::ffff:127.0.0.1", int(env("OUT_UDP"))))


def udplite():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)
    s.connect((LOCAL, int(env("OUT_UDP"))))
    return s.send(MARK + b"udplite")


def mptcp():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)


def sctp():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)


def ping():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    return s.sendto(b"\x08\0\0\0\0\0\0\0", (LOCAL, 0))


def raw_ip():
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)


def packet():
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)


def packet_dgram():
    return socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)


def vsock():
    return socket.socket(40, socket.SOCK_STREAM)


def netlink():
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)


def xdp():
    return socket.socket(44, socket.SOCK_RAW)


def alg():
    return socket.socket(38, socket.SOCK_SEQPACKET)


def bluetooth():
    return socket.socket(31, socket.SOCK_SEQPACKET, 0)


def io_uring():
    params = ctypes.create_string_buffer(120)
    return syscall(425, 4, ctypes.byref(params))


# ---- unix sockets ---------------------------------------------------------------------------------

def unix(address, kind=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_UNIX, kind)
    s.settimeout(5)
    s.connect(address)
    s.send(MARK + b"unix")
    return s.recv(100) or "connected"


def unix_path():
    return unix(env("OUT_UNIX"))


def unix_relative():
    os.chdir(os.path.dirname(env("OUT_UNIX")))
    return unix("./" + os.path.basename(env("OUT_UNIX")))


def unix_proc_cwd():
    os.chdir(os.path.dirname(env("OUT_UNIX")))
    return unix("/proc/self/cwd/" + os.path.basename(env("OUT_UNIX")))


def unix_abstract():
    return unix("\0" + env("OUT_ABSTRACT"))


def unix_dgram():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    return s.sendto(MARK + b"unix_dgram", env("OUT_UNIX") + ".dgram")


def ctl_socket():
    return unix(os.path.join(env("HOLDFAST_DIR"), "ctl.sock"), socket.SOCK_SEQPACKET)


def run_socket():
    return unix(os.path.join(env("HOLDFAST_DIR"), "run.sock"), socket.SOCK_SEQPACKET)


# ---- namespaces and cgroups -----------------------------------------------------------------------

def own_netns():
    if libc.unshare(0x10000000 | 0x40000000) < 0:
        raise OSError(ctypes.get_errno(), "unshare: " + os.strerror(ctypes.get_errno()))
    return tcp("own_netns")


def join_netns():
    fd = os.open("/proc/1/ns/net", os.O_RDONLY)
    return syscall(308, fd, 0x40000000)


def cgroup_files():
    with open("/proc/mounts", encoding="utf8") as mounts:
        roots = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
    roots += ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/proc/1/root/sys/fs/cgroup"]
    return [os.path.join(root, "cgroup.procs") for root in roots]


def try_all(paths, action):
    error = OSError(2, "nothing there")
    for path in paths:
        try:
            action(path)
            return path
        except OSError as e:
            error = e
    raise error


def write_to(text):
    def write(path):
        fd = os.open(path, os.O_WRONLY)
        os.write(fd, text)
        os.close(fd)
    return write


def move_cgroup():
    return try_all(cgroup_files(), write_to(b"0"))


def make_cgroup():
    return try_all([os.path.dirname(f) + "/escape" for f in cgroup_files()], os.mkdir)


def mount_cgroup():
    if libc.unshare(0x10000000 | 0x00020000) < 0:
        raise OSError(ctypes.get_errno(), "unshare: " + os.strerror(ctypes.get_errno()))
    if libc.mount(b"none", b"/tmp", b"cgroup2", 0, None) < 0:
        raise OSError(ctypes.get_errno(), "mount: " + os.strerror(ctypes.get_errno()))
    return try_all(["/tmp/cgroup.procs"], write_to(b"0"))


def remove_pins():
    found = []
    for top in ("/sys/fs/bpf", env("HOLDFAST_DIR")):
        for folder, _, files in os.walk(top):
            found += [os.path.join(folder, f) for f in files]
    return try_all(found, os.unlink)


def write_journal():
    found = []
    for folder, _, files in os.walk(env("HOLDFAST_DIR")):
        found += [os.path.join(folder, f) for f in files]
    return try_all(found + [env("HOLDFAST_LEDGER")], write_to(b"x"))


def read_ledger():
    return try_all([env("HOLDFAST_LEDGER")], lambda p: os.close(os.open(p, os.O_RDONLY)))


# ---- other processes and privileges ---------------------------------------------------------------

def strangers():
    """Processes in sight that are not of this run's uid."""
    pids = [int(p) for p in os.listdir("/proc") if p.isdigit()]
    seen = []
    for pid in pids + [int(env("OUT_PID"))]:
        try:
            if os.stat(f"/proc/{pid}").st_uid != os.getuid():
                seen.append(pid)
        except OSError:
            pass
    return seen


def ptrace_stranger():
    return syscall(101, 16, int(env("OUT_PID")), 0, 0)


def ptrace_self_family():
    return syscall(101, 16, os.getppid(), 0, 0)


def write_memory():
    pids = strangers() + [1]
    return try_all([f"/proc/{p}/mem" for p in pids], lambda p: os.close(os.open(p, os.O_RDWR)))


def read_vm():
    buffer = ctypes.create_string_buffer(8)
    local = struct.pack("PP", ctypes.addressof(buffer), 8)
    return syscall(310, os.getppid(), local, 1, local, 1, 0)


def steal_descriptor():
    pidfd = syscall(434, os.getppid(), 0)
    return syscall(438, pidfd, 0, 0)


def kill_stranger():
    os.kill(int(env("OUT_PID")), 0)
    return "it may be signalled"


def load_bpf():
    attr = ctypes.create_string_buffer(struct.pack("IIII", 2, 4, 4, 1) + bytes(112))
    return syscall(321, 0, ctypes.byref(attr), 128)


def perf():
    attr = ctypes.create_string_buffer(struct.pack("II", 1, 112) + bytes(104))
    return syscall(298, ctypes.byref(attr), 0, -1, -1, 0)


def keyring():
    return syscall(250, 0, -3, 1)


def become_root():
    os.setuid(0)
    return "uid 0"


def capabilities():
    with open("/proc/self/status", encoding="utf8") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    kept = [k for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status[k], 16)]
    if status["NoNewPrivs"] != "1":
        kept.append("no_new_privs is off")
    if status["Seccomp"] != "2":
        kept.append("no seccomp filter")
    if not kept:
        raise OSError(0, "no capabilities, no new privileges")
    return kept


def leaked_descriptors():
    if not BORN_WITH:
        raise OSError(0, "only 0, 1, 2")
    return BORN_WITH


def own_uid_shared():
    """Files outside that this uid may write, beside the usual sticky places."""
    if os.getuid() == 0:
        return "uid 0"
    raise OSError(0, f"uid {os.getuid()}")


def push_terminal_input():
    return fcntl.ioctl(0, 0x5412, b"x")


def attempt(name):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            text = f"ESCAPED {name} {globals()[name]()}"
        except OSError as e:
            text = f"blocked {name} {e.strerror or e}"
        except Exception as e:  # an attempt with a mistake in it proves nothing
            text = f"BROKEN {name} {e!r}"
        os.write(writer, text.encode()[:500])
        os._exit(0)
    os.close(writer)
    text = os.read(reader, 1000).decode()
    os.close(reader)
    _, status = os.waitpid(pid, 0)
    if not text:
        text = f"blocked {name} " + (f"signal {status & 127}" if status & 127 else f"status {status >> 8}")
    print(text, flush=True)


if __name__ == "__main__":
    os.set_inheritable(0, True)
    for wanted in sys.argv[1:]:
        attempt(wanted)
