// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/machine.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/machine/lib/agent.h"
#include "tests/machine/lib/cgroup.h"
#include "tests/machine/lib/descriptor.h"
#include "tests/machine/lib/internet.h"
#include "tests/machine/lib/machine-private.h"
#include "tests/machine/lib/rootfs.h"

#define BOOT_TIMEOUT_MSEC 60000
#define NOTIFY_SOCKET "/run/lab/notify"
#define CONSOLE_LOG "/run/lab/console.log"

#define MACHINE_NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC)

/* What every process of the lab knows; lives on the stack of machine_main(). */
typedef struct Setup {
        int argc;
        char **argv;
        const MachineOptions *options;
        MachineBody body;
        void *user;
        char *directory; /* where the test was started */
        char *cgroup, *lab_cgroup, *machine_cgroup;
        int netns_fds[LAB_N_SPACES];
        int agent_fd;
} Setup;

static int failed(const char *what, int error) {
        g_printerr("machine: %s: %s\n", what, g_strerror(-error));
        return error;
}

static int status_to_exit(int status) {
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int child_wait(pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return EXIT_FAILURE;
        return status_to_exit(status);
}

/* fork() into new namespaces. The buffers of stdio are empty, see machine_main(). */
static pid_t fork_into(uint64_t namespaces, int *ret_pidfd) {
        struct clone_args args = {
                .flags = namespaces | CLONE_PIDFD,
                .pidfd = (uintptr_t)ret_pidfd,
                .exit_signal = SIGCHLD,
        };

        return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* --- the machine's first process --- */

/* What would let the machine change the outer one, as systemd-nspawn(1) does. */
static void capabilities_drop(void) {
        static const int dropped[] = {
                CAP_AUDIT_CONTROL,
                CAP_MAC_ADMIN,
                CAP_MAC_OVERRIDE,
                CAP_SYS_BOOT,
                CAP_SYS_MODULE,
                CAP_SYS_RAWIO,
                CAP_SYS_TIME,
                CAP_SYSLOG,
                CAP_WAKE_ALARM,
        };

        for (size_t i = 0; i < G_N_ELEMENTS(dropped); i++)
                (void)prctl(PR_CAPBSET_DROP, dropped[i], 0, 0, 0);
}

static void stdio_redirect(int console) {
        _cleanup_fd_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        (void)dup2(null, STDIN_FILENO);
        (void)dup2(console, STDOUT_FILENO);
        (void)dup2(console, STDERR_FILENO);
}

/* The machine has its own of these; what holds one of them must not cover it. */
static bool path_is_of_machine(const char *path) {
        static const char *const own[] = { "/dev", "/etc", "/proc", "/run", "/sys", "/tmp", "/usr",
                "/var/tmp" };
        g_autofree char *inside =
                g_str_equal(path, "/") ? g_strdup("/") : g_strconcat(path, "/", NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(own); i++)
                if (g_str_equal(path, own[i]) || g_str_has_prefix(own[i], inside))
                        return true;
        return false;
}

static void bind_add(GPtrArray *binds, const char *path) {
        g_autofree char *real = path ? g_canonicalize_filename(path, NULL) : NULL;

        if (real && !path_is_of_machine(real) && access(real, F_OK) == 0)
                g_ptr_array_add(binds, g_steal_pointer(&real));
}

/* The program, its sources and the place it was started from look the same inside. */
static GPtrArray *binds_collect(const Setup *setup) {
        const char *wanted[] = { setup->directory, setup->options->install_from,
                g_getenv("G_TEST_SRCDIR"), g_getenv("G_TEST_BUILDDIR") };
        g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
        g_autofree char *program_directory = g_path_get_dirname(program ?: "/");
        GPtrArray *binds = g_ptr_array_new_with_free_func(g_free);

        bind_add(binds, program_directory);
        for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
                bind_add(binds, wanted[i]);
        for (const char *const *path = setup->options->binds; path && *path; path++)
                bind_add(binds, *path);
        g_ptr_array_add(binds, NULL);
        return binds;
}

/* What was asked for and cannot be had is an error, not an omission. */
static int options_check(const MachineOptions *options) {
        for (const char *const *path = options->binds; path && *path; path++) {
                g_autofree char *real = g_canonicalize_filename(*path, NULL);

                if (path_is_of_machine(real) || access(real, F_OK) < 0)
                        return failed(real, -EINVAL);
        }
        return 0;
}

static int init_exec(const Setup *setup) {
        g_autoptr(GPtrArray) binds = binds_collect(setup);
        const char *const argv[] = { "/lib/systemd/systemd", "--system", "--show-status=no", NULL };
        const char *const environment[] = { "container=lab", "NOTIFY_SOCKET=" ROOTFS_NOTIFY_SOCKET,
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
                NULL };
        _cleanup_fd_ int console =
                open(CONSOLE_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        int r;

        r = cgroup_enter(setup->machine_cgroup);
        if (r < 0)
                return failed(setup->machine_cgroup, r);
        if (setns(setup->netns_fds[LAB_MACHINE], CLONE_NEWNET) < 0 || unshare(CLONE_NEWCGROUP) < 0)
                return failed("namespaces", -errno);
        r = rootfs_enter(NOTIFY_SOCKET, (const char *const *)binds->pdata);
        if (r < 0)
                return r;
        capabilities_drop();
        (void)setsid();
        stdio_redirect(console);
        (void)syscall(SYS_close_range, 3, ~0U, 0);
        (void)execve(argv[0], (char *const *)argv, (char *const *)environment);
        return -errno;
}

/* --- boot, seen from the lab --- */

static int notify_open(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = NOTIFY_SOCKET };
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* systemd says READY=1 to its container manager when no job is left, see sd_notify(3). */
static int notify_wait_ready(int fd, int pidfd) {
        int64_t deadline = g_get_monotonic_time() + (int64_t)BOOT_TIMEOUT_MSEC * 1000;
        struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };

        for (;;) {
                int64_t left = (deadline - g_get_monotonic_time()) / 1000;
                char text[4096] = "";

                if (left <= 0)
                        return -ETIMEDOUT;
                if (poll(fds, G_N_ELEMENTS(fds), (int)left) < 0 && errno != EINTR)
                        return -errno;
                if (fds[1].revents)
                        return -ECHILD;
                if (fds[0].revents && recv(fd, text, sizeof(text) - 1, 0) > 0 &&
                        (g_str_has_prefix(text, "READY=1") || strstr(text, "\nREADY=1")))
                        return 0;
        }
}

static int machine_boot(const Setup *setup, int *ret_pidfd) {
        _cleanup_fd_ int notify = notify_open(), pidfd = -1;
        g_autofree char *console = NULL;
        pid_t pid;
        int r;

        if (notify < 0)
                return failed(NOTIFY_SOCKET, notify);
        pid = fork_into(MACHINE_NAMESPACES, &pidfd);
        if (pid < 0)
                return failed("clone3", -errno);
        if (pid == 0) {
                (void)failed("init", init_exec(setup));
                _exit(EXIT_FAILURE);
        }
        r = notify_wait_ready(notify, pidfd);
        if (r < 0) {
                if (g_file_get_contents(CONSOLE_LOG, &console, NULL, NULL))
                        g_printerr("%s", console);
                return failed("boot", r);
        }
        *ret_pidfd = TAKE_FD(pidfd);
        return 0;
}

/* --- the tests, inside --- */

static void program_show(const char *const *argv) {
        pid_t pid;

        if (command_start(&(Command){ .argv = argv }, &pid) == 0)
                (void)child_wait(pid);
}

/* Units that failed are told by name, and the machine is not used. */
static int state_check(void) {
        g_auto(CommandResult) result = {};
        int r;

        r = machine_run(&result, "systemctl", "is-system-running", "--wait", NULL);
        if (r < 0)
                return failed("systemctl", r);
        if (result.status == 0)
                return 0;
        g_printerr("machine: is %s", result.out);
        program_show((const char *const[]){ "systemctl", "--no-pager", "--failed", NULL });
        program_show((const char *const[]){ "journalctl", "--no-pager", "-p", "warning", NULL });
        return -EREMOTEIO;
}

static void environment_clean(void) {
        g_unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
        g_unsetenv("DBUS_SESSION_BUS_ADDRESS");
        g_unsetenv("NOTIFY_SOCKET");
        g_unsetenv("XDG_RUNTIME_DIR");
}

static int body_run(const Setup *setup, Lab *lab) {
        g_autoptr(Machine) machine = machine_new(lab);

        environment_clean();
        if (state_check() < 0)
                return EXIT_FAILURE;
        if (!(setup->options->flags & MACHINE_OFFLINE) && !machine_wait_online(machine)) {
                g_printerr("machine: not online\n");
                program_show((const char *const[]){ "ip", "address", NULL });
                program_show(
                        (const char *const[]){ "journalctl", "--no-pager", "-n", "200", NULL });
                return EXIT_FAILURE;
        }
        if (g_getenv("TALPID_MACHINE_SHELL"))
                return execlp("bash", "bash", "-i", NULL);
        return setup->body(machine, setup->argc, setup->argv, setup->user);
}

/* A process sits at "/.." of a cgroup namespace unless it was below its root before. */
static int machine_join(const Setup *setup, int pidfd) {
        g_autofree char *cgroup = NULL;
        int r;

        r = cgroup_make(setup->machine_cgroup, "test", &cgroup);
        if (r < 0)
                return failed("cgroup test", r);
        r = cgroup_enter(cgroup);
        if (r < 0)
                return failed(cgroup, r);
        if (setns(pidfd, MACHINE_NAMESPACES | CLONE_NEWNET | CLONE_NEWCGROUP) < 0)
                return failed("setns", -errno);
        /* The root of a mount namespace is not that of chroot(2). */
        if (chdir(setup->directory) < 0) {
                g_printerr("machine: this does not work inside a chroot; in a container it does\n");
                return failed(setup->directory, -errno);
        }
        return 0;
}

/* Also after a test that aborted. */
static int body_wait(pid_t pid) {
        int status = child_wait(pid);

        if (status != 0 && g_getenv("TALPID_MACHINE_JOURNAL"))
                program_show((const char *const[]){ "journalctl", "--no-pager", NULL });
        return status;
}

/* The PID namespace holds for children only, hence two processes. */
static int machine_enter(const Setup *setup, int pidfd, Lab *lab) {
        pid_t pid;

        pid = fork();
        if (pid != 0)
                return pid < 0 ? failed("fork", -errno) : child_wait(pid);
        if (machine_join(setup, pidfd) < 0)
                _exit(EXIT_FAILURE);
        pid = fork();
        if (pid != 0)
                _exit(pid < 0 ? EXIT_FAILURE : body_wait(pid));
        exit(body_run(setup, lab));
}

/* --- the lab --- */

/* Builds, boots, tests: everything that asks the agent. */
static int director_run(const Setup *setup) {
        _cleanup_fd_ int pidfd = -1;
        g_autoptr(Lab) lab = NULL;

        if (lab_new(setup->agent_fd, setup->netns_fds, &lab) < 0 ||
                rootfs_build(setup->options) < 0 || machine_boot(setup, &pidfd) < 0)
                return EXIT_FAILURE;
        return machine_enter(setup, pidfd, lab);
}

static int space_make(Setup *setup, LabSpace space) {
        g_autofree char *name = g_strconcat("/run/netns/", lab_space_name(space), NULL);
        _cleanup_fd_ int fd = -1, place = -1;

        if (unshare(CLONE_NEWNET) < 0)
                return -errno;
        fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        place = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
        if (fd < 0 || place < 0 || mount("/proc/self/ns/net", name, NULL, MS_BIND, NULL) < 0)
                return -errno;
        setup->netns_fds[space] = TAKE_FD(fd);
        return 0;
}

static int spaces_make(Setup *setup) {
        int r;

        for (int space = 0; space < LAB_N_SPACES; space++) {
                r = space_make(setup, space);
                if (r < 0)
                        return failed("network namespace", r);
        }
        return 0;
}

/*
 * Nothing outside can be written from here on, whatever a test, a daemon or
 * the machine's boot tries: systemd-tmpfiles empties /tmp, and a directory
 * bound into the machine is the real one. Only our control groups stay open.
 */
static int outer_protect(void) {
        struct mount_attr closed = { .attr_set = MOUNT_ATTR_RDONLY };
        struct mount_attr open_again = { .attr_clr = MOUNT_ATTR_RDONLY };
        g_autofree char *cgroups = NULL;
        int r;

        r = cgroup_find_mount(&cgroups);
        if (r < 0)
                return r;
        if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &closed, sizeof(closed)) < 0 ||
                mount_setattr(AT_FDCWD, cgroups, 0, &open_again, sizeof(open_again)) < 0)
                return -errno;
        return 0;
}

/* /run is where the lab's daemons and ip-netns(8) put their things. */
static int lab_mount(void) {
        int r;

        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return failed("private mounts", -errno);
        r = outer_protect();
        if (r < 0)
                return failed("read-only mounts", r);
        if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL) < 0 ||
                mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0)
                return failed("lab's mounts", -errno);
        if (mkdir("/run/lab", 0755) < 0 || mkdir("/run/netns", 0755) < 0)
                return failed("/run", -errno);
        return 0;
}

static int internet_start(const Setup *setup) {
        int fds[2], r = 0;
        pid_t pid;
        char byte;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        pid = fork();
        if (pid == 0) {
                (void)fd_close(fds[0]);
                r = setns(setup->netns_fds[LAB_INTERNET], CLONE_NEWNET) < 0
                            ? -errno
                            : internet_serve(fds[1]);
                (void)failed("internet", r);
                _exit(EXIT_FAILURE);
        }
        (void)fd_close(fds[1]);
        (void)read(fds[0], &byte, 1);
        (void)fd_close(fds[0]);
        return pid < 0 ? -EAGAIN : 0;
}

static int lab_serve(Setup *setup) {
        _cleanup_fd_ int agent = -1;
        int fds[2];
        pid_t pid;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                return failed("prctl", -errno);
        if (cgroup_enter(setup->lab_cgroup) < 0 || lab_mount() < 0 || spaces_make(setup) < 0 ||
                internet_start(setup) < 0)
                return EXIT_FAILURE;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return failed("socketpair", -errno);
        agent = fds[0];
        setup->agent_fd = fds[1];
        pid = fork();
        if (pid < 0)
                return EXIT_FAILURE;
        if (pid == 0) {
                agent = fd_close(agent);
                _exit(director_run(setup));
        }
        (void)fd_close(setup->agent_fd);
        return agent_serve(agent, pid);
}

/* --- outside --- */

static int cgroups_make(Setup *setup, pid_t owner) {
        g_autofree char *parent = NULL, *name = NULL;
        int r;

        name = g_strdup_printf("talpid-machine-%d-%08x", owner, g_random_int());
        r = cgroup_find_own(&parent);
        if (r < 0)
                return failed("cgroup2 hierarchy", r);
        r = cgroup_make(parent, name, &setup->cgroup);
        if (r < 0)
                return failed(name, r);
        r = cgroup_make(setup->cgroup, "lab", &setup->lab_cgroup);
        if (r < 0)
                return failed("lab", r);
        r = cgroup_make(setup->cgroup, "machine", &setup->machine_cgroup);
        return r < 0 ? failed("machine", r) : 0;
}

/* Ends the lab when the test program ends, whatever ended it. */
static int lab_wait(pid_t lab, int lab_pidfd, int owner_pidfd) {
        struct pollfd fds[] = { { .fd = lab_pidfd, .events = POLLIN },
                { .fd = owner_pidfd, .events = POLLIN } };

        while (!fds[0].revents && !fds[1].revents)
                if (poll(fds, G_N_ELEMENTS(fds), -1) < 0 && errno != EINTR)
                        break;
        if (!fds[0].revents)
                (void)kill(lab, SIGKILL);
        return child_wait(lab);
}

static int janitor_run(Setup *setup, pid_t owner, int owner_pidfd) {
        _cleanup_fd_ int lab_pidfd = -1;
        int status = EXIT_FAILURE, r = 0;
        pid_t lab;

        /* Signals of the terminal are for the owner; we see its end. */
        (void)setsid();
        if (cgroups_make(setup, owner) == 0) {
                lab = fork_into(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET, &lab_pidfd);
                if (lab == 0)
                        _exit(lab_serve(setup) & 0xff);
                status = lab < 0 ? EXIT_FAILURE : lab_wait(lab, lab_pidfd, owner_pidfd);
        }
        if (setup->cgroup)
                r = cgroup_remove(setup->cgroup);
        if (r < 0) {
                (void)failed(setup->cgroup, r);
                return EXIT_FAILURE;
        }
        return status;
}

int machine_main(
        int argc, char **argv, const MachineOptions *options, MachineBody body, void *user) {
        _cleanup_fd_ int owner_pidfd = pidfd_open(getpid(), 0);
        g_autofree char *directory = g_get_current_dir();
        Setup setup = {
                .argc = argc,
                .argv = argv,
                .options = options,
                .body = body,
                .user = user,
                .directory = directory,
        };
        pid_t owner = getpid(), janitor;

        assert(options && body);

        if (options_check(options) < 0)
                return EXIT_FAILURE;
        if (owner_pidfd < 0) {
                (void)failed("pidfd_open", -errno);
                return EXIT_FAILURE;
        }
        /* Or every process would print it again at its end. */
        (void)fflush(NULL);
        janitor = fork();
        if (janitor == 0)
                _exit(janitor_run(&setup, owner, owner_pidfd));
        return janitor < 0 ? EXIT_FAILURE : child_wait(janitor);
}
