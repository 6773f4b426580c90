// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Processes that clients of org.talpid.SplitTunnel take out and bring back:
 * real ones, in real control groups that the test program alone sees.
 */

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/bus/own-cgroup.h"
#include "tests/bus/split-client.h"
#include "tests/bus/worker.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* <linux/pidfd.h> */
#endif

static bool set_up(Service *s, const char *rules) {
        if (!service_set_up(s, rules, NULL))
                return false;
        if (split_can_exclude(s))
                return true;
        service_tear_down(s);
        return false;
}

static char *group_of(pid_t pid) {
        g_autofree char *file = g_strdup_printf("/proc/%d/cgroup", (int)pid);
        g_autofree char *text = NULL;
        char *line;

        (void)g_file_get_contents(file, &text, NULL, NULL);
        line = text ? strstr(text, "0::") : NULL;
        return g_strndup(line ? line : "", line ? strcspn(line, "\n") : 0);
}

static bool is_out(pid_t pid) {
        g_autofree char *group = group_of(pid);

        return g_str_has_suffix(group, "/talpid-excluded");
}

/* Lets the service turn until it has told what is under way. */
static void wait_until_back(Service *s, pid_t pid) {
        while (is_out(pid))
                split_assert_property(s->root, "Version", "(<uint32 1>,)");
}

static guint64 now_usec(void) {
        return (guint64)g_get_real_time();
}

/* Since when */

static void test_goes_and_comes_back(void) {
        g_autofree char *before = NULL, *added = NULL, *again = NULL, *listed = NULL, *after = NULL;
        g_autofree char *later = NULL, *others = NULL, *removed = NULL;
        guint64 begin, end, since;
        Worker *worker;
        Service s;

        if (!set_up(&s, OWN_ONLY))
                return;
        worker = worker_new(BUS_UID_ALICE, NULL, NULL);
        before = group_of(worker->pid);
        begin = now_usec();
        added = split_askf(s.alice, "AddProcess", "(uint32 %d, @a{sv} {})", worker->pid);
        end = now_usec();
        g_assert_cmpuint(split_number(added, "excluded"), ==, 1);
        service_assert_holds(added, "talpid-excluded'");
        g_assert_true(is_out(worker->pid));
        split_assert_property(s.alice, "ProcessCount", "(<uint32 1>,)");
        again = split_askf(s.alice, "AddProcess", "(uint32 %d, @a{sv} {})", worker->pid);
        g_assert_cmpuint(split_number(again, "excluded"), ==, 0);

        listed = split_ask(s.alice, "ListProcesses", "(@a{sv} {},)");
        service_assert_holds(listed, "'by': <'process'>");
        g_assert_cmpuint(split_number(listed, "pid"), ==, (guint64)worker->pid);
        g_assert_cmpuint(split_number(listed, "uid"), ==, BUS_UID_ALICE);
        since = split_number(listed, "since");
        g_assert_cmpuint(since, >=, begin);
        g_assert_cmpuint(since, <=, end);
        others = split_ask(s.root, "ListProcesses", "(@a{sv} {},)");
        g_assert_cmpstr(others, ==, "([],)");

        /* A restart finds it where it is, and knows since when. */
        service_crash(&s);
        service_start(&s, NULL);
        split_assert_property(s.alice, "ProcessCount", "(<uint32 1>,)");
        later = split_ask(s.alice, "ListProcesses", "(@a{sv} {},)");
        g_assert_cmpstr(later, ==, listed);

        removed = split_askf(s.alice, "RemoveProcess", "(uint32 %d, @a{sv} {})", worker->pid);
        g_assert_cmpuint(split_number(removed, "included"), ==, 1);
        after = group_of(worker->pid);
        g_assert_cmpstr(after, ==, before);
        (void)worker_free(worker);
        service_tear_down(&s);
}

static char *list_one(BusClient *client, pid_t pid) {
        return split_askf(client, "ListProcesses", "({'pid': <uint32 %d>},)", (int)pid);
}

static void start_one_later(void *userdata) {
        worker_start_children(1, 0);
}

static pid_t first_child_of(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", (int)pid, (int)pid);
        g_autofree char *text = NULL;

        (void)g_file_get_contents(path, &text, NULL, NULL);
        return text ? atoi(text) : 0;
}

/* Born outside: since its start. Moved with its parent: since then. */
static void test_since_of_children(void) {
        g_autofree char *child = NULL, *parent = NULL, *unit = NULL;
        guint64 since;
        Worker *worker;
        Service s;

        if (!set_up(&s, ALL_YES))
                return;
        worker = worker_new(BUS_UID_ALICE, start_one_later, NULL);
        since = now_usec();
        g_free(split_askf(s.alice, "AddProcess", "(uint32 %d, {'children': <true>})", worker->pid));
        child = list_one(s.alice, first_child_of(worker->pid));
        parent = list_one(s.alice, worker->pid);
        g_assert_cmpuint(split_number(child, "since"), ==, split_number(parent, "since"));
        g_assert_cmpuint(split_number(child, "since"), >=, since);

        /* The test itself goes out, and what it starts is born there. */
        since = now_usec();
        g_free(split_askf(s.root, "AddProcess", "(uint32 %d, @a{sv} {})", (int)getpid()));
        {
                Worker *born = worker_new(BUS_UID_ALICE, NULL, NULL);
                g_autofree char *listed = list_one(s.alice, born->pid);

                /* A start is known by the tick of the clock. */
                g_assert_cmpuint(split_number(listed, "since") + 20000, >=, since);
                g_assert_cmpuint(split_number(listed, "since"), <=, now_usec() + 20000);
                (void)worker_free(born);
        }
        g_free(split_askf(s.root, "RemoveProcess", "(uint32 %d, @a{sv} {})", (int)getpid()));
        (void)worker_free(worker);
        service_tear_down(&s);
}

/* Descriptors */

static void test_pidfd(void) {
        g_autofree char *added = NULL, *removed = NULL, *again = NULL;
        Worker *worker;
        Service s;
        int fd;

        if (!set_up(&s, OWN_ONLY))
                return;
        worker = worker_new(BUS_UID_ALICE, NULL, NULL);
        fd = worker_pidfd(worker);
        added = split_ask_fd(s.alice, "AddProcessFd", fd, "@a{sv} {}");
        g_assert_cmpuint(split_number(added, "excluded"), ==, 1);
        g_assert_true(is_out(worker->pid));
        removed = split_ask_fd(s.alice, "RemoveProcessFd", fd, "@a{sv} {}");
        g_assert_cmpuint(split_number(removed, "included"), ==, 1);
        g_assert_false(is_out(worker->pid));
        again = split_ask_fd(s.alice, "RemoveProcessFd", fd, "@a{sv} {}");
        g_assert_cmpuint(split_number(again, "included"), ==, 0);
        (void)close(fd);
        (void)worker_free(worker);
        service_tear_down(&s);
}

static void *wait_for_ever(void *userdata) {
        for (;;)
                (void)pause();
        return NULL;
}

static void start_thread(void *userdata) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, wait_for_ever, NULL) != 0)
                abort();
}

static pid_t thread_of(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/task", (int)pid);
        g_autoptr(GDir) tasks = g_dir_open(path, 0, NULL);
        const char *name;

        while ((name = g_dir_read_name(tasks)))
                if (atoi(name) != pid)
                        return atoi(name);
        g_error("process %d has no other thread", (int)pid);
}

static void fails_both_ways(BusClient *client, int fd, const char *error_name, const char *says) {
        split_fails_fd(client, "AddProcessFd", fd, "@a{sv} {}", error_name, says);
        split_fails_fd(client, "RemoveProcessFd", fd, "@a{sv} {}", error_name, says);
}

static void test_wrong_descriptors(void) {
        Worker *ended, *threaded, *of_bob;
        int fd, files[4];
        Service s;

        if (!set_up(&s, OWN_ONLY))
                return;
        files[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        files[1] = open("/proc/self", O_DIRECTORY | O_CLOEXEC);
        files[2] = open("/proc/self", O_PATH | O_CLOEXEC);
        files[3] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
                fails_both_ways(s.alice, files[i], INVALID_ARGS, "pidfd_open");
                (void)close(files[i]);
        }

        ended = worker_new(BUS_UID_ALICE, NULL, NULL);
        fd = worker_pidfd(ended);
        worker_end(ended); /* a zombie */
        fails_both_ways(s.alice, fd, UNKNOWN_PID, "has ended");
        split_failsf(s.alice, "AddProcess", UNKNOWN_PID, "any more", "(uint32 %d, @a{sv} {})",
                ended->pid);
        (void)worker_free(ended); /* reaped */
        fails_both_ways(s.alice, fd, UNKNOWN_PID, "has ended");
        (void)close(fd);

        threaded = worker_new(BUS_UID_ALICE, start_thread, NULL);
        fd = (int)syscall(SYS_pidfd_open, thread_of(threaded->pid), PIDFD_THREAD);
        if (fd >= 0) { /* Linux 6.9 */
                fails_both_ways(s.alice, fd, INVALID_ARGS, "thread");
                (void)close(fd);
        }
        split_failsf(s.alice, "AddProcess", INVALID_ARGS, "thread", "(uint32 %d, @a{sv} {})",
                thread_of(threaded->pid));
        (void)worker_free(threaded);

        of_bob = worker_new(BUS_UID_BOB, NULL, NULL);
        fd = worker_pidfd(of_bob);
        fails_both_ways(s.alice, fd, ACCESS_DENIED, "exclude-other");
        g_assert_false(is_out(of_bob->pid));
        (void)close(fd);
        (void)worker_free(of_bob);
        split_assert_property(s.root, "ProcessCount", "(<uint32 0>,)");
        service_tear_down(&s);
}

/* Who can never be taken out, and is not asked about */

static pid_t service_pid(const Service *s) {
        return atoi(g_subprocess_get_identifier(s->process));
}

static void refuse(BusClient *client, BusAgent *agent, const char *arguments,
        const char *error_name, const char *says) {
        split_fails_though_asked(client, "AddProcess", arguments, error_name, says);
        g_assert_cmpuint(agent->n_begun, ==, 0);
}

static void test_never(void) {
        g_autofree char *of_service = NULL, *of_kernel = NULL;
        BusAgent *agent;
        Service s;

        if (!set_up(&s, ALL_PASSWORD))
                return;
        agent = bus_agent_new(s.bus, s.alice, BUS_AGENT_GRANTS);
        of_service = g_strdup_printf("(uint32 %d, @a{sv} {})", service_pid(&s));
        of_kernel = g_strdup("(uint32 2, @a{sv} {})");
        for (int i = 0; i < 2; i++) {
                BusClient *client = i ? s.root : s.alice;

                refuse(client, agent, "(uint32 1, @a{sv} {})", INVALID_ARGS, "init");
                refuse(client, agent, of_service, INVALID_ARGS, "this service");
                refuse(client, agent, of_kernel, INVALID_ARGS, "kernel");
                refuse(client, agent, "(uint32 4194304, @a{sv} {})", UNKNOWN_PID, "4194304");
                refuse(client, agent, "(uint32 7, {'colour': <1>})", INVALID_ARGS, "colour");
        }
        bus_agent_free(agent);
        service_tear_down(&s);
}

/* What a person reads before the password, in both modes. */
static void test_dialog_says_which_way(void) {
        static const char *const says[2][2] = {
                { " go around the VPN", " back into the VPN" },
                { " use the VPN", " out of the VPN" },
        };
        BusAgent *agent;
        Service s;

        if (!set_up(&s, ALL_PASSWORD))
                return;
        agent = bus_agent_new(s.bus, s.alice, BUS_AGENT_GRANTS);
        for (int i = 0; i < 4; i++) {
                const uid_t uid = i % 2 ? 0 : BUS_UID_ALICE;
                const char *const *said = says[i / 2];
                Worker *worker = worker_new(uid, NULL, NULL);
                g_autofree char *of_worker =
                        g_strdup_printf("(uint32 %d, @a{sv} {})", (int)worker->pid);

                split_call(s.root, "SetMode",
                        i / 2 ? "('include', @a{sv} {})" : "('exclude', @a{sv} {})");
                split_call_though_asked(s.alice, "AddProcess", of_worker);
                g_assert_true(g_str_has_suffix(agent->message, said[0]));
                g_assert_cmpint(strstr(agent->message, "of user 0") != NULL, ==, uid == 0);
                split_call_though_asked(s.alice, "RemoveProcess", of_worker);
                g_assert_true(g_str_has_suffix(agent->message, said[1]));
                g_assert_cmpint(strstr(agent->message, "of user 0") != NULL, ==, uid == 0);
                worker = worker_free(worker);
        }
        bus_agent_free(agent);
        service_tear_down(&s);
}

/* Between question and effect */

typedef struct Asked {
        Worker *worker;
        BusAgent *agent;
        BusCall *call;
} Asked;

/* Alice asks for a process of hers, and the password dialog is open. */
static void ask_password(Service *s, Asked *asked) {
        asked->worker = worker_new(BUS_UID_ALICE, NULL, NULL);
        asked->agent = bus_agent_new(s->bus, s->alice, BUS_AGENT_HANGS);
        asked->call = bus_client_submit(s->alice, SPLIT_NAME, SPLIT_PATH, SPLIT_NAME, "AddProcess",
                g_variant_new("(u@a{sv})", (guint32)asked->worker->pid,
                        g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0)),
                BUS_CALL_INTERACTIVE);
        BUS_WAIT_UNTIL(asked->agent->n_begun == 1);
}

static void grant(Service *s, Asked *asked, const char *error_name) {
        bus_agent_grant_held(asked->agent);
        BUS_WAIT_UNTIL(asked->call->done);
        g_assert_cmpstr(bus_call_get_error_name(asked->call), ==, error_name);
        if (asked->worker)
                g_assert_false(is_out(asked->worker->pid));
        split_assert_property(s->root, "ProcessCount", "(<uint32 0>,)");
        bus_call_free(asked->call);
        bus_agent_free(asked->agent);
        asked->worker = worker_free(asked->worker);
}

/* Two starts within one tick of the clock cannot be told apart by /proc. */
static void wait_for_next_tick(void) {
        const gint64 until = g_get_monotonic_time() + 2 * G_USEC_PER_SEC / sysconf(_SC_CLK_TCK);

        while (g_get_monotonic_time() < until)
                (void)sched_yield();
}

static void test_recycled_pid(void) {
        pid_t pid;
        Asked asked;
        Service s;

        if (!set_up(&s, ALL_PASSWORD))
                return;
        ask_password(&s, &asked);
        pid = asked.worker->pid;
        wait_for_next_tick();
        (void)worker_free(asked.worker);
        asked.worker = worker_new_again(pid, BUS_UID_ALICE);
        g_assert_cmpint(asked.worker->pid, ==, pid);
        grant(&s, &asked, ACCESS_DENIED);
        service_tear_down(&s);
}

static void test_ends_meanwhile(void) {
        Asked asked;
        Service s;

        if (!set_up(&s, ALL_PASSWORD))
                return;
        ask_password(&s, &asked);
        worker_end(asked.worker);
        grant(&s, &asked, UNKNOWN_PID);
        service_tear_down(&s);
}

static void test_execs_meanwhile(void) {
        Asked asked;
        Service s;

        if (!set_up(&s, ALL_PASSWORD))
                return;
        ask_password(&s, &asked);
        worker_exec(asked.worker); /* the person agreed to another program */
        grant(&s, &asked, ACCESS_DENIED);
        service_tear_down(&s);
}

static void test_denied(void) {
        g_autofree char *before = NULL, *after = NULL;
        Worker *worker;
        Service s;
        int fd;

        if (!set_up(&s, ALL_NO))
                return;
        worker = worker_new(BUS_UID_ALICE, NULL, NULL);
        fd = worker_pidfd(worker);
        before = group_of(worker->pid);
        split_failsf(s.alice, "AddProcess", ACCESS_DENIED, "exclude-own",
                "(uint32 %d, {'children': <true>, 'sockets': <'reset'>})", worker->pid);
        split_fails_fd(s.alice, "AddProcessFd", fd, "@a{sv} {}", ACCESS_DENIED, "exclude-own");
        after = group_of(worker->pid);
        g_assert_cmpstr(after, ==, before);
        split_assert_property(s.root, "ProcessCount", "(<uint32 0>,)");

        g_free(split_ask_fd(s.root, "AddProcessFd", fd, "@a{sv} {}"));
        fails_both_ways(s.alice, fd, ACCESS_DENIED, "exclude-own");
        split_fails(s.alice, "ClearProcesses", "(@a{sv} {},)", ACCESS_DENIED, "exclude-own");
        split_fails(
                s.alice, "ClearProcesses", "({'all': <true>},)", ACCESS_DENIED, "exclude-other");
        g_assert_true(is_out(worker->pid));
        split_call(s.root, "ClearProcesses", "({'all': <true>},)");
        g_assert_false(is_out(worker->pid));
        (void)close(fd);
        (void)worker_free(worker);
        service_tear_down(&s);
}

/* Elsewhere */

static void enter_namespaces(void *userdata) {
        /* Its first child is process 1 of another PID namespace. */
        if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS) < 0)
                abort();
        worker_start_children(1, 0);
}

static void test_other_namespaces(void) {
        g_autofree char *added = NULL, *removed = NULL;
        Worker *worker;
        pid_t inner;
        Service s;

        if (!set_up(&s, OWN_ONLY))
                return;
        worker = worker_new(BUS_UID_ALICE, enter_namespaces, NULL);
        inner = first_child_of(worker->pid);
        added = split_askf(s.alice, "AddProcess", "(uint32 %d, @a{sv} {})", (int)inner);
        g_assert_cmpuint(split_number(added, "excluded"), ==, 1);
        g_assert_true(is_out(inner));
        g_assert_false(is_out(worker->pid));
        removed = split_askf(s.alice, "RemoveProcess", "(uint32 %d, @a{sv} {})", (int)inner);
        g_assert_cmpuint(split_number(removed, "included"), ==, 1);
        (void)worker_free(worker);
        service_tear_down(&s);
}

/* Its groups cannot have children that hold whole processes. */
static void test_threaded_group(void) {
        g_autofree char *before = NULL, *after = NULL;
        Worker *worker;
        Service s;

        if (!set_up(&s, OWN_ONLY))
                return;
        worker = worker_new(BUS_UID_ALICE, NULL, NULL);
        own_cgroup_make("domain");
        own_cgroup_make("domain/threads");
        own_cgroup_write("domain/threads", "cgroup.type", "threaded");
        own_cgroup_move("domain", worker->pid);
        own_cgroup_move("domain/threads", worker->pid);
        before = group_of(worker->pid);
        split_failsf(s.alice, "AddProcess", NOT_SUPPORTED, "threaded", "(uint32 %d, @a{sv} {})",
                worker->pid);
        after = group_of(worker->pid);
        g_assert_cmpstr(after, ==, before);
        split_assert_property(s.root, "ProcessCount", "(<uint32 0>,)");
        (void)worker_free(worker);
        own_cgroup_remove("domain/threads");
        own_cgroup_remove("domain");
        service_tear_down(&s);
}

static void test_frozen_group(void) {
        g_autofree char *added = NULL, *removed = NULL;
        Worker *worker;
        Service s;

        if (!set_up(&s, OWN_ONLY))
                return;
        worker = worker_new(BUS_UID_ALICE, NULL, NULL);
        own_cgroup_make("ice");
        own_cgroup_move("ice", worker->pid);
        own_cgroup_write("ice", "cgroup.freeze", "1");
        added = split_askf(
                s.alice, "AddProcess", "(uint32 %d, {'sockets': <'migrate'>})", worker->pid);
        g_assert_cmpuint(split_number(added, "excluded"), ==, 1);
        g_assert_true(is_out(worker->pid));
        removed = split_askf(s.alice, "RemoveProcess", "(uint32 %d, @a{sv} {})", worker->pid);
        g_assert_cmpuint(split_number(removed, "included"), ==, 1);
        own_cgroup_write("ice", "cgroup.freeze", "0");
        (void)worker_free(worker);
        split_call(s.root, "ClearProcesses", "({'all': <true>},)");
        service_tear_down(&s);
}

/* Children */

static void start_family(void *userdata) {
        worker_start_children(6, 2);
}

static void test_children(void) {
        g_autofree char *alone = NULL, *added = NULL, *again = NULL, *one = NULL, *removed = NULL;
        Worker *worker;
        Service s;

        if (!set_up(&s, OWN_ONLY))
                return;
        worker = worker_new(BUS_UID_ALICE, start_family, NULL);
        alone = split_askf(s.alice, "AddProcess", "(uint32 %d, @a{sv} {})", worker->pid);
        g_assert_cmpuint(split_number(alone, "excluded"), ==, 1);
        g_assert_false(is_out(first_child_of(worker->pid)));
        added = split_askf(s.alice, "AddProcess", "(uint32 %d, {'children': <true>})", worker->pid);
        g_assert_cmpuint(split_number(added, "excluded"), ==, 18);
        split_assert_property(s.alice, "ProcessCount", "(<uint32 19>,)");
        again = split_askf(s.alice, "AddProcess", "(uint32 %d, {'children': <true>})", worker->pid);
        g_assert_cmpuint(split_number(again, "excluded"), ==, 0);

        one = split_askf(s.alice, "RemoveProcess", "(uint32 %d, @a{sv} {})", worker->pid);
        g_assert_cmpuint(split_number(one, "included"), ==, 1);
        split_assert_property(s.alice, "ProcessCount", "(<uint32 18>,)");
        removed = split_askf(
                s.alice, "RemoveProcess", "(uint32 %d, {'children': <true>})", worker->pid);
        g_assert_cmpuint(split_number(removed, "included"), ==, 18);
        split_assert_property(s.alice, "ProcessCount", "(<uint32 0>,)");
        (void)worker_free(worker);
        service_tear_down(&s);
}

/* Limits */

#define PROCESSES_MAX 4096

static void start_many(void *userdata) {
        worker_start_children(*(const unsigned *)userdata, 0);
}

static void assert_count(Service *s, unsigned n) {
        g_autofree char *expected = g_strdup_printf("(<uint32 %u>,)", n);

        split_assert_property(s->root, "ProcessCount", expected);
}

static void test_limit(void) {
        unsigned n_first = PROCESSES_MAX - 6, n_second = 9;
        Worker *first, *second, *last[6], *of_bob;
        g_autofree char *added = NULL;
        BusAgent *agent;
        Service s;

        if (!set_up(&s, OWN_ONLY))
                return;
        first = worker_new(BUS_UID_ALICE, start_many, &n_first);
        added = split_askf(s.alice, "AddProcess", "(uint32 %d, {'children': <true>})", first->pid);
        g_assert_cmpuint(split_number(added, "excluded"), ==, n_first + 1);
        assert_count(&s, n_first + 1);

        /* A family that is too large comes whole or not at all. */
        second = worker_new(BUS_UID_ALICE, start_many, &n_second);
        split_failsf(s.alice, "AddProcess", LIMITS_EXCEEDED, "4096",
                "(uint32 %d, {'children': <true>})", second->pid);
        g_assert_false(is_out(second->pid));
        g_assert_false(is_out(first_child_of(second->pid)));
        assert_count(&s, n_first + 1);

        for (size_t i = 0; i < G_N_ELEMENTS(last); i++) {
                last[i] = worker_new(BUS_UID_ALICE, NULL, NULL);
                if (i < G_N_ELEMENTS(last) - 1)
                        g_free(split_askf(
                                s.alice, "AddProcess", "(uint32 %d, @a{sv} {})", last[i]->pid));
        }
        assert_count(&s, PROCESSES_MAX);
        split_failsf(s.alice, "AddProcess", LIMITS_EXCEEDED, "user 64001", "(uint32 %d, @a{sv} {})",
                last[5]->pid);
        g_assert_false(is_out(last[5]->pid));

        /* Of another user's there is room, and one back makes room for one. */
        of_bob = worker_new(BUS_UID_BOB, NULL, NULL);
        g_free(split_askf(s.root, "AddProcess", "(uint32 %d, @a{sv} {})", of_bob->pid));
        g_free(split_askf(s.alice, "RemoveProcess", "(uint32 %d, @a{sv} {})", last[0]->pid));
        g_free(split_askf(s.alice, "AddProcess", "(uint32 %d, @a{sv} {})", last[5]->pid));
        assert_count(&s, PROCESSES_MAX + 1);

        /* Nobody types a password for what is refused. */
        bus_fixture_stop_polkitd(s.bus);
        bus_fixture_start_polkitd(s.bus, ALL_PASSWORD);
        agent = bus_agent_new(s.bus, s.alice, BUS_AGENT_GRANTS);
        {
                g_autofree char *arguments =
                        g_strdup_printf("(uint32 %d, @a{sv} {})", last[0]->pid);

                refuse(s.alice, agent, arguments, LIMITS_EXCEEDED, "4096");
        }
        bus_agent_free(agent);

        for (size_t i = 0; i < G_N_ELEMENTS(last); i++)
                (void)worker_free(last[i]);
        (void)worker_free(of_bob);
        (void)worker_free(second);
        (void)worker_free(first);
        service_tear_down(&s);
}

/* Lifetimes */

static void test_client(void) {
        BusClient *client;
        Worker *worker;
        Service s;

        if (!set_up(&s, ALL_YES))
                return;
        worker = worker_new(BUS_UID_ALICE, NULL, NULL);
        client = bus_client_new(s.bus, BUS_UID_ALICE);
        g_free(split_askf(
                client, "AddProcess", "(uint32 %d, {'lifetime': <'client'>})", worker->pid));
        service_crash(&s); /* the client is still there */
        service_start(&s, NULL);
        g_assert_true(is_out(worker->pid));
        split_assert_property(s.root, "ProcessCount", "(<uint32 1>,)");
        bus_client_free(client);
        wait_until_back(&s, worker->pid);
        (void)worker_free(worker);
        service_tear_down(&s);
}

static void test_client_leaves_while_nobody_looks(void) {
        BusClient *client;
        Worker *worker;
        Service s;

        if (!set_up(&s, ALL_YES))
                return;
        worker = worker_new(BUS_UID_ALICE, NULL, NULL);
        client = bus_client_new(s.bus, BUS_UID_ALICE);
        g_free(split_askf(
                client, "AddProcess", "(uint32 %d, {'lifetime': <'client'>})", worker->pid));
        service_crash(&s);
        bus_client_free(client);
        g_assert_true(is_out(worker->pid));
        service_start(&s, NULL);
        wait_until_back(&s, worker->pid);
        (void)worker_free(worker);
        service_tear_down(&s);
}

int main(int argc, char *argv[]) {
        service_fixture_enter();
        service_mechanism = own_cgroup_enter() ? "" : "none";
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/split-processes/go-and-come-back-and-are-told-since-when",
                test_goes_and_comes_back);
        g_test_add_func("/split-processes/since-of-children", test_since_of_children);
        g_test_add_func("/split-processes/pidfd-does-what-a-number-does", test_pidfd);
        g_test_add_func(
                "/split-processes/wrong-descriptors-are-refused-by-name", test_wrong_descriptors);
        g_test_add_func("/split-processes/dialog-says-which-way", test_dialog_says_which_way);
        g_test_add_func("/split-processes/nobody-is-asked-for-what-can-never-be", test_never);
        g_test_add_func("/split-processes/recycled-number-is-another-process", test_recycled_pid);
        g_test_add_func("/split-processes/process-that-ends-meanwhile", test_ends_meanwhile);
        g_test_add_func("/split-processes/program-that-changes-meanwhile-is-another-question",
                test_execs_meanwhile);
        g_test_add_func("/split-processes/denied-changes-nothing", test_denied);
        g_test_add_func(
                "/split-processes/other-namespaces-make-no-difference", test_other_namespaces);
        g_test_add_func(
                "/split-processes/threaded-group-is-told-and-left-alone", test_threaded_group);
        g_test_add_func("/split-processes/frozen-group-is-no-obstacle", test_frozen_group);
        g_test_add_func("/split-processes/children-come-along-where-asked", test_children);
        g_test_add_func("/split-processes/each-user-may-have-so-many", test_limit);
        g_test_add_func("/split-processes/client-takes-its-processes-along-also-after-a-restart",
                test_client);
        g_test_add_func("/split-processes/client-that-left-while-the-service-was-dead",
                test_client_leaves_while_nobody_looks);
        return g_test_run();
}
