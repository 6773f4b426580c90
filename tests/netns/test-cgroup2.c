// SPDX-License-Identifier: GPL-3.0-or-later

/* Processes, moved into groups of ours and back. */

#include "backends/cgroup2/cgroup2.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/cgroup2/cgroup-path.h"
#include "tests/netns/test-processes-lib.h"

static int exclude(Fixture *fixture, pid_t pid, Cgroup2Kind kind, Fault *fault) {
        CLEANUP(process_clear) Process process = PROCESS_NONE;
        int r = process_open(pid, &process);

        return r < 0 ? r : cgroup2_exclude_process(fixture->cgroup2, &process, kind, NULL, fault);
}

static int take_back(Fixture *fixture, pid_t pid, Fault *fault) {
        CLEANUP(process_clear) Process process = fixture_open(pid);

        return cgroup2_return_process(fixture->cgroup2, &process, fault);
}

static void assert_in(pid_t pid, const char *path) {
        g_autofree char *is = path_of(pid);

        g_assert_cmpstr(is, ==, path);
}

static char *ours(const char *unit) {
        return g_build_filename(unit, CGROUP_PATH_EXCLUDED, NULL);
}

static void test_moves_below_the_own_group(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "app.slice/app.scope");
        g_autofree char *own = ours(unit), *events = NULL;
        pid_t pid = fixture_child(fixture, unit, NULL, NULL);
        CLEANUP(process_clear) Process process = fixture_open(pid);
        CLEANUP_FD int fd = -1;
        Cgroup2Group group;
        struct stat st;

        g_assert_cmpint(
                cgroup2_exclude_process(fixture->cgroup2, &process, CGROUP2_EXCLUDED, &group, NULL),
                ==, 1);
        assert_in(pid, own);
        g_assert_cmpstr(group.path, ==, own);
        g_assert_cmpuint(group.id, ==, fixture_group_id(fixture, own));
        g_assert_cmpuint(group.level, ==, 4);
        g_assert_cmpint(group.kind, ==, CGROUP2_EXCLUDED);
        events = fixture_read(fixture, unit, "cgroup.events");
        g_assert_nonnull(strstr(events, "populated 1"));

        fd = cgroup2_open_group(group.id, fixture->cgroup2);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(fstat(fd, &st), ==, 0);
        g_assert_cmpuint(st.st_ino, ==, group.id);
        g_assert_cmpint(cgroup2_open_group(group.id + 1, fixture->cgroup2), ==, -ENOENT);
        g_assert_cmpint(cgroup2_open_group(0, fixture->cgroup2), ==, -ENOENT);

        /* A second time nothing is written. */
        g_assert_cmpint(
                cgroup2_exclude_process(fixture->cgroup2, &process, CGROUP2_EXCLUDED, &group, NULL),
                ==, 0);
        g_assert_cmpuint(group.id, ==, fixture_group_id(fixture, own));
        g_assert_cmpint(cgroup2_find_process(fixture->cgroup2, &process, &group), ==, 1);
        g_assert_cmpstr(group.path, ==, own);
}

static void test_moves_out_of_the_root(Fixture *fixture) {
        pid_t pid = fixture_child(fixture, NULL, NULL, NULL);
        g_autofree char *before = path_of(pid), *own = ours(before);
        Cgroup2Group group;
        CLEANUP(process_clear) Process process = fixture_open(pid);

        if (before[0])
                return; /* the tests themselves run in a unit here: the case above */
        g_assert_cmpint(
                cgroup2_exclude_process(fixture->cgroup2, &process, CGROUP2_INCLUDED, &group, NULL),
                ==, 1);
        assert_in(pid, CGROUP_PATH_INCLUDED);
        g_assert_cmpuint(group.level, ==, 1);
        g_assert_cmpint(cgroup2_return_process(fixture->cgroup2, &process, NULL), ==, 1);
        assert_in(pid, "");
        (void)cgroup2_dissolve(fixture->cgroup2, CGROUP_PATH_INCLUDED, NULL);
}

/* As fork(); the child ends with its parent, even one that is ended in between. */
static pid_t fork_bound(void) {
        pid_t parent = getpid(), pid = fork();

        if (pid == 0 &&
                (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || (getppid() != parent && getppid() != 0)))
                _exit(1);
        return pid;
}

static void fork_one(void *userdata) {
        (void)fork_bound();
}

static pid_t wait_for_child_of(pid_t pid) {
        for (;;) {
                CLEANUP(array_clear) Array refs = ARRAY_INIT(ProcessRef);

                g_assert_cmpint(process_list_children(pid, &refs), ==, 0);
                if (refs.n > 0)
                        return ((ProcessRef *)array_at(&refs, 0))->pid;
                (void)sched_yield();
        }
}

static int go[2]; /* a child waits until the other end is closed */

static void wait_then_fork(void *userdata) {
        char byte;

        (void)close(go[1]);
        (void)read(go[0], &byte, 1);
        fork_one(NULL);
}

static void test_children_are_born_inside(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit"), *own = ours(unit);
        pid_t pid;

        g_assert_cmpint(pipe2(go, O_CLOEXEC), ==, 0);
        pid = fixture_child(fixture, unit, wait_then_fork, NULL);
        (void)close(go[0]);
        g_assert_cmpint(exclude(fixture, pid, CGROUP2_EXCLUDED, NULL), ==, 1);
        (void)close(go[1]);
        assert_in(wait_for_child_of(pid), own);
}

static void test_children_that_run_come_along_when_asked(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit"), *own = ours(unit);
        pid_t pid = fixture_child(fixture, unit, fork_one, NULL), child = wait_for_child_of(pid);
        CLEANUP(process_clear) Process process = fixture_open(pid);
        Cgroup2Moves moves;

        g_assert_cmpint(exclude(fixture, pid, CGROUP2_EXCLUDED, NULL), ==, 1);
        assert_in(child, unit);
        g_assert_cmpint(
                cgroup2_exclude_tree(fixture->cgroup2, &process, CGROUP2_EXCLUDED, &moves, NULL),
                ==, 0);
        assert_in(child, own);
        g_assert_cmpuint(moves.n_moved, ==, 1);
        g_assert_cmpuint(moves.n_inside, ==, 2);
        g_assert_cmpuint(moves.n_failed, ==, 0);
}

static bool no_group_left(Fixture *fixture, const void *userdata) {
        return !fixture_group_exists(fixture, userdata) && fixture->n_gone > 0;
}

static void test_takes_back_and_removes_the_empty_group(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit"), *own = ours(unit);
        pid_t pid = fixture_child(fixture, unit, NULL, NULL);
        uint64_t id;

        g_assert_cmpint(exclude(fixture, pid, CGROUP2_EXCLUDED, NULL), ==, 1);
        id = fixture_group_id(fixture, own);
        g_assert_cmpint(take_back(fixture, pid, NULL), ==, 1);
        assert_in(pid, unit);
        g_assert_cmpint(take_back(fixture, pid, NULL), ==, 0);
        fixture_wait(fixture, no_group_left, own);
        g_assert_cmpuint(fixture->last_gone_id, ==, id);
        g_assert_cmpuint(fixture_n_groups(fixture), ==, 0);
        g_assert_cmpuint(fixture->n_appeared, ==, 0);

        /* And again: another group with another number. */
        g_assert_cmpint(exclude(fixture, pid, CGROUP2_EXCLUDED, NULL), ==, 1);
        g_assert_cmpuint(fixture_group_id(fixture, own), !=, id);
}

static void test_removes_the_group_when_the_last_member_ends(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit"), *own = ours(unit);
        pid_t pid = fixture_child(fixture, unit, NULL, NULL);

        g_assert_cmpint(exclude(fixture, pid, CGROUP2_EXCLUDED, NULL), ==, 1);
        fixture_end_child(fixture, pid);
        fixture_wait(fixture, no_group_left, own);
}

static void test_changes_sides(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit"), *own = ours(unit);
        g_autofree char *other = g_build_filename(unit, CGROUP_PATH_INCLUDED, NULL);
        pid_t pid = fixture_child(fixture, unit, NULL, NULL);

        g_assert_cmpint(exclude(fixture, pid, CGROUP2_EXCLUDED, NULL), ==, 1);
        g_assert_cmpint(exclude(fixture, pid, CGROUP2_INCLUDED, NULL), ==, 1);
        assert_in(pid, other);
        fixture_wait(fixture, no_group_left, own);
        g_assert_cmpint(take_back(fixture, pid, NULL), ==, 1);
        assert_in(pid, unit);
}

static void test_finds_members_of_groups_below_ours(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit"), *own = ours(unit);
        pid_t pid = fixture_child(fixture, unit, NULL, NULL);
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        g_autofree char *text = g_strdup_printf("%d", pid), *inner = NULL;

        g_assert_cmpint(exclude(fixture, pid, CGROUP2_EXCLUDED, NULL), ==, 1);
        inner = fixture_group(fixture, "unit/" CGROUP_PATH_EXCLUDED "/made-by-the-app");
        g_assert_cmpint(fixture_write(fixture, inner, "cgroup.procs", text), ==, 0);
        g_assert_cmpint(exclude(fixture, pid, CGROUP2_EXCLUDED, NULL), ==, 0);
        g_assert_cmpint(cgroup2_list_members(fixture->cgroup2, own, &pids), ==, 0);
        g_assert_cmpuint(pids.n, ==, 1);
        g_assert_cmpint(*(pid_t *)array_at(&pids, 0), ==, pid);
        g_assert_cmpint(take_back(fixture, pid, NULL), ==, 1);
        assert_in(pid, unit);
}

static pid_t find_kernel_thread(void) {
        for (pid_t pid = 2; pid < 200; pid++) {
                CLEANUP_FD int directory = proc_open_directory(pid);
                ProcStat stat;

                if (directory >= 0 && proc_read_stat(directory, &stat) == 0 &&
                        stat.is_kernel_thread)
                        return pid;
        }
        return 0;
}

static void test_refuses_whom_it_must_not_move(Fixture *fixture) {
        pid_t pids[] = { 1, getpid(), find_kernel_thread() };

        for (size_t i = 0; i < G_N_ELEMENTS(pids); i++) {
                g_autofree char *before = NULL, *own = NULL;
                bool was_there;
                Fault fault = { 0 };

                if (pids[i] == 0)
                        continue; /* a pid namespace without any */
                before = path_of(pids[i]);
                own = ours(before);
                was_there = fixture_group_exists(fixture, own);
                g_assert_cmpint(exclude(fixture, pids[i], CGROUP2_EXCLUDED, &fault), ==, -EPERM);
                g_assert_cmpint(fault.error, ==, -EPERM);
                g_assert_cmpstr(fault.text, !=, "");
                assert_in(pids[i], before);
                g_assert_true(fixture_group_exists(fixture, own) == was_there);
                g_assert_cmpint(take_back(fixture, pids[i], &fault), ==, -EPERM);
        }
}

static void test_refuses_whoever_ended(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit"), *own = ours(unit);
        pid_t pid = fixture_child(fixture, unit, NULL, NULL);
        CLEANUP(process_clear) Process process = fixture_open(pid);
        siginfo_t info;
        Fault fault;

        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
        g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
        for (unsigned i = 0; i < 2; i++) {
                g_assert_cmpint(cgroup2_exclude_process(
                                        fixture->cgroup2, &process, CGROUP2_EXCLUDED, NULL, &fault),
                        ==, -ESRCH);
                g_assert_cmpstr(fault.text, !=, "");
                g_assert_cmpint(
                        cgroup2_return_process(fixture->cgroup2, &process, NULL), ==, -ESRCH);
                g_assert_false(fixture_group_exists(fixture, own));
                fixture_end_child(fixture, pid); /* once as a zombie, once after */
        }
}

static void test_refuses_threaded_groups(Fixture *fixture) {
        g_autofree char *domain = fixture_group(fixture, "domain");
        g_autofree char *threaded = fixture_group(fixture, "domain/threaded");
        g_autofree char *own = ours(domain), *own_below = ours(threaded);
        pid_t pid = fixture_child(fixture, domain, NULL, NULL);
        Fault fault;

        g_assert_cmpint(fixture_write(fixture, threaded, "cgroup.type", "threaded"), ==, 0);
        g_assert_cmpint(exclude(fixture, pid, CGROUP2_EXCLUDED, &fault), ==, -EOPNOTSUPP);
        g_assert_nonnull(strstr(fault.text, "threaded"));
        assert_in(pid, domain);
        g_assert_false(fixture_group_exists(fixture, own));
        g_assert_false(fixture_group_exists(fixture, own_below));
        g_assert_cmpuint(fixture_n_groups(fixture), ==, 0);
}

static void pretend_control(Fixture *fixture, void *userdata) {
        const pid_t *pid = userdata;
        g_autofree char *unit = path_of(*pid), *own = ours(unit);
        g_autofree char *file =
                g_build_filename(fixture->mount, unit, "cgroup.subtree_control", NULL);
        g_autofree char *text = g_build_filename(g_get_tmp_dir(), "split-cg-XXXXXX", NULL);
        CLEANUP_FD int fd = g_mkstemp(text);
        Fault fault;

        g_assert_cmpint(write(fd, "memory\n", 7), ==, 7);
        g_assert_cmpint(mount(text, file, NULL, MS_BIND, NULL), ==, 0);
        (void)g_unlink(text);
        fixture_reopen(fixture);
        g_assert_cmpint(exclude(fixture, *pid, CGROUP2_EXCLUDED, &fault), ==, -EBUSY);
        g_assert_nonnull(strstr(fault.text, "controllers"));
        g_assert_false(fixture_group_exists(fixture, own));
        assert_in(*pid, unit);
}

static void test_refuses_units_that_pass_controllers_on(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit");
        pid_t pid = fixture_child(fixture, unit, NULL, NULL);

        fixture_run_apart(fixture, CLONE_NEWNS, pretend_control, &pid);
}

static void test_moves_the_frozen(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit"), *own = ours(unit), *text = NULL;
        pid_t pid = fixture_child(fixture, unit, NULL, NULL);

        g_assert_cmpint(fixture_write(fixture, unit, "cgroup.freeze", "1"), ==, 0);
        g_assert_cmpint(exclude(fixture, pid, CGROUP2_EXCLUDED, NULL), ==, 1);
        assert_in(pid, own);
        text = fixture_read(fixture, unit, "cgroup.freeze");
        g_assert_cmpstr(text, ==, "1\n");
        g_assert_cmpint(take_back(fixture, pid, NULL), ==, 1);
        g_assert_cmpint(fixture_write(fixture, unit, "cgroup.freeze", "0"), ==, 0);
}

static void move_read_only(Fixture *fixture, void *userdata) {
        const pid_t *pid = userdata;
        g_autofree char *before = path_of(*pid);
        Cgroup2 *cgroup2 = NULL;
        CLEANUP(process_clear) Process process = fixture_open(*pid);
        Fault fault;

        g_assert_cmpint(mount(fixture->mount, fixture->mount, NULL, MS_BIND, NULL), ==, 0);
        g_assert_cmpint(
                mount(NULL, fixture->mount, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), ==, 0);
        g_assert_cmpint(cgroup2_open(fixture->event, fixture->mount, &cgroup2), ==, 0);
        g_assert_cmpint(cgroup2_exclude_process(cgroup2, &process, CGROUP2_EXCLUDED, NULL, &fault),
                ==, -EROFS);
        g_assert_nonnull(strstr(fault.text, "read-only"));
        assert_in(*pid, before);
        (void)cgroup2_free(cgroup2);
}

static void test_refuses_a_read_only_hierarchy(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit");
        pid_t pid = fixture_child(fixture, unit, NULL, NULL);

        fixture_run_apart(fixture, CLONE_NEWNS, move_read_only, &pid);
}

static void test_refuses_groups_others_called_like_ours(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit"), *own = ours(unit);
        g_autofree char *full = g_build_filename(fixture->mount, own, NULL);
        g_autofree char *inside = NULL;
        pid_t pid = fixture_child(fixture, unit, NULL, NULL);
        CLEANUP(process_clear) Process process = fixture_open(pid);
        g_autofree char *text = g_strdup_printf("%d", pid);
        Cgroup2Group group;
        Fault fault;

        g_free(fixture_group(fixture, "unit/" CGROUP_PATH_EXCLUDED));
        g_assert_cmpint(chown(full, 12345, 12345), ==, 0);
        g_assert_cmpint(exclude(fixture, pid, CGROUP2_EXCLUDED, &fault), ==, -EEXIST);
        assert_in(pid, unit);
        g_assert_true(fixture_group_exists(fixture, own));

        /* Whoever puts himself into one is not excluded by that, now or after a restart. */
        g_assert_cmpint(fixture_write(fixture, own, "cgroup.procs", text), ==, 0);
        g_assert_cmpint(cgroup2_find_process(fixture->cgroup2, &process, &group), ==, 0);
        g_assert_cmpint(cgroup2_dissolve(fixture->cgroup2, own, NULL), ==, -ENOENT);
        g_assert_cmpint(exclude(fixture, pid, CGROUP2_EXCLUDED, NULL), ==, 1);
        inside = ours(own);
        assert_in(pid, inside);
}

static void be_elsewhere(void *userdata) {
        if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWCGROUP) < 0)
                _exit(1);
        fork_one(NULL);
}

static void test_moves_processes_of_other_namespaces(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit"), *own = ours(unit);
        pid_t pid = fixture_child(fixture, unit, be_elsewhere, NULL);
        pid_t inner = wait_for_child_of(pid);
        g_autofree char *link = g_strdup_printf("/proc/%d/ns/pid", inner);
        g_autofree char *its = g_file_read_link(link, NULL);
        g_autofree char *mine = g_file_read_link("/proc/self/ns/pid", NULL);

        g_assert_cmpstr(its, !=, mine);
        g_assert_cmpint(exclude(fixture, inner, CGROUP2_EXCLUDED, NULL), ==, 1);
        assert_in(inner, own);
        assert_in(pid, unit);
        g_assert_cmpint(take_back(fixture, inner, NULL), ==, 1);
        g_assert_cmpint(kill(inner, SIGKILL), ==, 0); /* it cannot see its parent go */
}

static void enter_cgroup_namespace(Fixture *fixture, void *userdata) {
        const pid_t *pid = userdata;
        Cgroup2 *cgroup2 = NULL;
        CLEANUP(process_clear) Process process = fixture_open(*pid);
        Fault fault;

        /* We are in "inside" here: what is beside it cannot be named. */
        g_assert_cmpint(cgroup2_open(fixture->event, fixture->mount, &cgroup2), ==, 0);
        g_assert_cmpint(cgroup2_exclude_process(cgroup2, &process, CGROUP2_EXCLUDED, NULL, &fault),
                ==, -EXDEV);
        g_assert_nonnull(strstr(fault.text, "namespace"));
        (void)cgroup2_free(cgroup2);
}

static void go_inside(Fixture *fixture, void *userdata) {
        g_autofree char *inside = fixture_group(fixture, "inside");

        g_assert_cmpint(fixture_write(fixture, inside, "cgroup.procs", "0"), ==, 0);
        g_assert_cmpint(unshare(CLONE_NEWCGROUP), ==, 0);
        enter_cgroup_namespace(fixture, userdata);
}

static void test_refuses_what_its_namespace_hides(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit");
        pid_t pid = fixture_child(fixture, unit, NULL, NULL);

        fixture_run_apart(fixture, 0, go_inside, &pid);
        assert_in(pid, unit);
}

static void wait_then_exec(void *userdata) {
        char byte;

        (void)close(go[1]);
        (void)read(go[0], &byte, 1);
        (void)execlp("sleep", "sleep", "1000", NULL);
        _exit(1);
}

static void test_exec_does_not_save_it(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit"), *own = ours(unit);
        CLEANUP(process_clear) Process process = PROCESS_NONE;
        char name[PATH_MAX] = "";
        bool is_deleted;
        pid_t pid;

        g_assert_cmpint(pipe2(go, O_CLOEXEC), ==, 0);
        pid = fixture_child(fixture, unit, wait_then_exec, NULL);
        (void)close(go[0]);
        process = fixture_open(pid);
        (void)close(go[1]);
        while (!strstr(name, "sleep")) {
                CLEANUP_FD int directory = process_open_directory(&process);

                g_assert_cmpint(directory, >=, 0);
                (void)proc_read_executable(directory, name, &is_deleted);
                (void)sched_yield();
        }
        g_assert_cmpint(
                cgroup2_exclude_process(fixture->cgroup2, &process, CGROUP2_EXCLUDED, NULL, NULL),
                ==, 1);
        assert_in(pid, own);
}

static void fork_many(void *userdata) {
        for (int i = 0; i < GPOINTER_TO_INT(userdata); i++)
                if (fork_bound() == 0)
                        return;
}

static void test_moves_a_thousand(Fixture *fixture) {
        enum { N = 1000 };
        g_autofree char *unit = fixture_group(fixture, "unit"), *own = ours(unit);
        pid_t pid = fixture_child(fixture, unit, fork_many, GINT_TO_POINTER(N));
        CLEANUP(process_clear) Process process = fixture_open(pid);
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        Cgroup2Moves moves;

        for (size_t n = 0; n < N;) {
                CLEANUP(array_clear) Array refs = ARRAY_INIT(ProcessRef);

                g_assert_cmpint(process_list_children(pid, &refs), ==, 0);
                n = refs.n;
        }
        g_assert_cmpint(
                cgroup2_exclude_tree(fixture->cgroup2, &process, CGROUP2_EXCLUDED, &moves, NULL),
                ==, 0);
        g_assert_cmpuint(moves.n_moved, ==, N + 1);
        g_assert_cmpuint(moves.n_inside, ==, N + 1);
        g_assert_cmpint(cgroup2_list_members(fixture->cgroup2, own, &pids), ==, 0);
        g_assert_cmpuint(pids.n, ==, N + 1);

        g_assert_cmpint(cgroup2_dissolve(fixture->cgroup2, own, NULL), ==, 0);
        g_assert_false(fixture_group_exists(fixture, own));
        assert_in(pid, unit);
        array_clear(&pids);
        g_assert_cmpint(cgroup2_list_members(fixture->cgroup2, unit, &pids), ==, 0);
        g_assert_cmpuint(pids.n, ==, N + 1);
}

/* Two generations that each fork for as long as they may, all alive to the end. */
static void storm(void *userdata) {
        for (unsigned i = 0; i < 60; i++) {
                if (fork_bound() == 0) {
                        for (unsigned k = 0; k < 5; k++) {
                                if (fork_bound() == 0)
                                        return;
                                (void)sched_yield();
                        }
                        return;
                }
                (void)sched_yield();
        }
}

static void test_a_fork_storm_ends_inside(Fixture *fixture) {
        enum { N = 1 + 60 + 60 * 5 };
        g_autofree char *unit = fixture_group(fixture, "unit"), *own = ours(unit);
        pid_t pid = fixture_child(fixture, unit, storm, NULL);
        CLEANUP(process_clear) Process process = fixture_open(pid);
        Cgroup2Moves moves;
        size_t n_inside = 0;

        g_assert_cmpint(
                cgroup2_exclude_tree(fixture->cgroup2, &process, CGROUP2_EXCLUDED, &moves, NULL),
                ==, 0);
        /* What is forked from now on is born inside: the storm may go on, outside is nobody. */
        while (n_inside < N) {
                CLEANUP(array_clear) Array inside = ARRAY_INIT(pid_t);
                g_autofree char *outside = fixture_read(fixture, unit, "cgroup.procs");

                g_assert_cmpstr(outside, ==, "");
                g_assert_cmpint(cgroup2_list_members(fixture->cgroup2, own, &inside), ==, 0);
                n_inside = inside.n;
        }
}

static void remove_own_group(void *userdata) {
        for (;;)
                (void)rmdir(userdata);
}

static void test_survives_removal_while_moving(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit"), *own = ours(unit);
        g_autofree char *full = g_build_filename(fixture->mount, own, NULL);
        pid_t pid = fixture_child(fixture, unit, NULL, NULL);
        unsigned n_moved = 0;

        (void)fixture_child(fixture, NULL, remove_own_group, full);
        for (unsigned i = 0; i < 200; i++) {
                Fault fault = { 0 };
                int r = exclude(fixture, pid, CGROUP2_EXCLUDED, &fault);

                if (r < 0) {
                        g_assert_cmpint(r, ==, -EAGAIN);
                        assert_in(pid, unit);
                        continue;
                }
                n_moved++;
                assert_in(pid, own);
                g_assert_cmpint(take_back(fixture, pid, NULL), ==, 1);
                (void)sd_event_run(fixture->event, 0);
        }
        g_assert_cmpuint(n_moved, >, 0);
}

static void test_finds_its_groups_after_a_restart(Fixture *fixture) {
        g_autofree char *a = fixture_group(fixture, "a"), *own_a = ours(a);
        g_autofree char *b = fixture_group(fixture, "b/c"), *own_b = NULL, *empty = NULL;
        pid_t pid_a = fixture_child(fixture, a, NULL, NULL);
        pid_t pid_b = fixture_child(fixture, b, NULL, NULL);
        Cgroup2Group group;
        unsigned n_found = 0;

        own_b = g_build_filename(b, CGROUP_PATH_INCLUDED, NULL);
        g_assert_cmpint(exclude(fixture, pid_a, CGROUP2_EXCLUDED, NULL), ==, 1);
        g_assert_cmpint(exclude(fixture, pid_b, CGROUP2_INCLUDED, NULL), ==, 1);
        empty = fixture_group(fixture, "d/" CGROUP_PATH_EXCLUDED);
        fixture->cgroup2 = cgroup2_free(fixture->cgroup2);

        g_assert_cmpint(cgroup2_open(fixture->event, fixture->mount, &fixture->cgroup2), ==, 0);
        g_assert_cmpint(cgroup2_find_groups(fixture->cgroup2), >=, 2);
        for (size_t i = 0; cgroup2_group_at(fixture->cgroup2, i, &group) > 0; i++) {
                bool is_a = g_str_equal(group.path, own_a), is_b = g_str_equal(group.path, own_b);

                n_found += is_a || is_b;
                if (is_a || is_b) {
                        g_assert_cmpint(group.kind, ==, is_a ? CGROUP2_EXCLUDED : CGROUP2_INCLUDED);
                        g_assert_cmpuint(group.id, ==, fixture_group_id(fixture, group.path));
                }
        }
        g_assert_cmpuint(n_found, ==, 2);
        g_assert_false(fixture_group_exists(fixture, empty));
        g_assert_cmpint(take_back(fixture, pid_a, NULL), ==, 1);
        assert_in(pid_a, a);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        fixture_test_add("/cgroup2/moves-below-the-own-group", test_moves_below_the_own_group);
        fixture_test_add("/cgroup2/moves-out-of-the-root", test_moves_out_of_the_root);
        fixture_test_add("/cgroup2/children-are-born-inside", test_children_are_born_inside);
        fixture_test_add("/cgroup2/children-that-run-come-along-when-asked",
                test_children_that_run_come_along_when_asked);
        fixture_test_add("/cgroup2/takes-back-and-removes-the-empty-group",
                test_takes_back_and_removes_the_empty_group);
        fixture_test_add("/cgroup2/removes-the-group-when-the-last-member-ends",
                test_removes_the_group_when_the_last_member_ends);
        fixture_test_add("/cgroup2/changes-sides", test_changes_sides);
        fixture_test_add("/cgroup2/finds-members-of-groups-below-ours",
                test_finds_members_of_groups_below_ours);
        fixture_test_add(
                "/cgroup2/refuses-whom-it-must-not-move", test_refuses_whom_it_must_not_move);
        fixture_test_add("/cgroup2/refuses-whoever-ended", test_refuses_whoever_ended);
        fixture_test_add("/cgroup2/refuses-threaded-groups", test_refuses_threaded_groups);
        fixture_test_add("/cgroup2/refuses-units-that-pass-controllers-on",
                test_refuses_units_that_pass_controllers_on);
        fixture_test_add("/cgroup2/moves-the-frozen", test_moves_the_frozen);
        fixture_test_add(
                "/cgroup2/refuses-a-read-only-hierarchy", test_refuses_a_read_only_hierarchy);
        fixture_test_add("/cgroup2/refuses-groups-others-called-like-ours",
                test_refuses_groups_others_called_like_ours);
        fixture_test_add("/cgroup2/moves-processes-of-other-namespaces",
                test_moves_processes_of_other_namespaces);
        fixture_test_add(
                "/cgroup2/refuses-what-its-namespace-hides", test_refuses_what_its_namespace_hides);
        fixture_test_add("/cgroup2/exec-does-not-save-it", test_exec_does_not_save_it);
        fixture_test_add("/cgroup2/moves-a-thousand", test_moves_a_thousand);
        fixture_test_add("/cgroup2/a-fork-storm-ends-inside", test_a_fork_storm_ends_inside);
        fixture_test_add(
                "/cgroup2/survives-removal-while-moving", test_survives_removal_while_moving);
        fixture_test_add(
                "/cgroup2/finds-its-groups-after-a-restart", test_finds_its_groups_after_a_restart);
        return g_test_run();
}
