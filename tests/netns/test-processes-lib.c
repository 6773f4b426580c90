// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/netns/test-processes-lib.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/cgroup2/cgroup-tree.h"
#include "backends/proc/mountinfo.h"

#define DEADLINE_USEC (10 * G_USEC_PER_SEC)

static char *find_mount(void) {
        g_autofree Mount *mount = g_new0(Mount, 1);
        CLEANUP_FREE char *text = NULL;
        const char *rest;

        g_assert_cmpint(mountinfo_read(&text), ==, 0);
        rest = text;
        if (mountinfo_next(&rest, MOUNT_CGROUP2, mount) <= 0)
                return NULL;
        return g_strdup(mount->point);
}

static char *full_path(Fixture *fixture, const char *path, const char *file) {
        return g_build_filename(fixture->mount, path, file, NULL);
}

static void on_appeared(const Cgroup2Group *group, void *userdata) {
        Fixture *fixture = userdata;

        fixture->n_appeared++;
        g_free(fixture->last_path);
        fixture->last_path = g_strdup(group->path);
        fixture->last_id = group->id;
}

static void on_gone(const Cgroup2Group *group, void *userdata) {
        Fixture *fixture = userdata;

        fixture->n_gone++;
        fixture->last_gone_id = group->id;
}

static bool setup(Fixture *fixture) {
        const Cgroup2Sink sink = {
                .on_appeared = on_appeared, .on_gone = on_gone, .userdata = fixture
        };
        static unsigned n_tests;
        g_autofree char *full = NULL;

        *fixture = (Fixture){ .children = g_array_new(FALSE, FALSE, sizeof(pid_t)) };
        fixture->mount = find_mount();
        if (!fixture->mount) {
                g_test_skip("no cgroup2 is mounted here");
                return false;
        }
        fixture->top = g_strdup_printf("split-cg-%d-%u", getpid(), n_tests++);
        full = full_path(fixture, fixture->top, NULL);
        if (g_mkdir(full, 0755) < 0) {
                g_test_skip("no right to make control groups");
                return false;
        }
        g_assert_cmpint(sd_event_new(&fixture->event), >=, 0);
        g_assert_cmpint(cgroup2_open(fixture->event, NULL, &fixture->cgroup2), ==, 0);
        cgroup2_set_sink(fixture->cgroup2, &sink);
        return true;
}

/* Children of children end with their parents, but a moment later. */
static void wait_until_empty(const char *full) {
        g_autofree char *path = g_build_filename(full, "cgroup.events", NULL);
        struct pollfd events = { .fd = open(path, O_RDONLY | O_CLOEXEC), .events = POLLPRI };
        gint64 deadline = g_get_monotonic_time() + DEADLINE_USEC;
        char text[256];

        while (events.fd >= 0 && g_get_monotonic_time() < deadline) {
                ssize_t n = pread(events.fd, text, sizeof(text) - 1, 0);

                text[MAX(n, 0)] = '\0';
                if (!strstr(text, "populated 1"))
                        break;
                (void)poll(&events, 1, 1000);
        }
        if (events.fd >= 0)
                (void)close(events.fd);
}

static void remove_below(const char *full) {
        g_autoptr(GDir) directory = g_dir_open(full, 0, NULL);
        const char *name;

        while (directory && (name = g_dir_read_name(directory))) {
                g_autofree char *below = g_build_filename(full, name, NULL);

                if (g_file_test(below, G_FILE_TEST_IS_DIR))
                        remove_below(below);
        }
        (void)g_rmdir(full);
}

static void clear(Fixture *fixture) {
        g_autofree char *full = NULL;

        while (fixture->children->len > 0)
                fixture_end_child(fixture, g_array_index(fixture->children, pid_t, 0));
        if (fixture->top) {
                full = full_path(fixture, fixture->top, NULL);
                wait_until_empty(full);
                remove_below(full);
        }
        fixture->cgroup2 = cgroup2_free(fixture->cgroup2);
        fixture->event = sd_event_unref(fixture->event);
        g_array_unref(fixture->children);
        g_free(fixture->mount);
        g_free(fixture->top);
        g_free(fixture->last_path);
}

static void run_test(const void *data) {
        void (*test)(Fixture *) = *(void (*const *)(Fixture *))data;
        Fixture fixture;

        if (setup(&fixture))
                test(&fixture);
        clear(&fixture);
}

void fixture_test_add(const char *path, void (*test)(Fixture *fixture)) {
        void (**data)(Fixture *) = g_new(__typeof__(*data), 1);

        *data = test;
        g_test_add_data_func_full(path, data, (GTestDataFunc)run_test, g_free);
}

char *fixture_group(Fixture *fixture, const char *name) {
        char *path = name[0] ? g_build_filename(fixture->top, name, NULL) : g_strdup(fixture->top);
        g_autofree char *full = full_path(fixture, path, NULL);

        g_assert_cmpint(g_mkdir_with_parents(full, 0755), ==, 0);
        return path;
}

bool fixture_group_exists(Fixture *fixture, const char *path) {
        g_autofree char *full = full_path(fixture, path, NULL);

        return g_file_test(full, G_FILE_TEST_IS_DIR);
}

void fixture_remove_group(Fixture *fixture, const char *path) {
        g_autofree char *full = full_path(fixture, path, NULL);

        g_assert_true(g_str_has_prefix(path, fixture->top));
        remove_below(full);
        g_assert_false(fixture_group_exists(fixture, path));
}

uint64_t fixture_group_id(Fixture *fixture, const char *path) {
        g_autofree char *full = full_path(fixture, path, NULL);
        struct stat st;

        g_assert_cmpint(stat(full, &st), ==, 0);
        return st.st_ino;
}

unsigned fixture_n_groups(Fixture *fixture) {
        Cgroup2Group group;
        unsigned n = 0;

        while (cgroup2_group_at(fixture->cgroup2, n, &group) > 0)
                n++;
        return n;
}

void fixture_reopen(Fixture *fixture) {
        g_assert_cmpint(cgroup2_open(fixture->event, fixture->mount, &fixture->cgroup2), ==, 0);
}

int fixture_write(Fixture *fixture, const char *path, const char *file, const char *text) {
        g_autofree char *full = full_path(fixture, path, file);
        CLEANUP_FD int fd = open(full, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, text, strlen(text)) < 0)
                return -errno;
        return 0;
}

char *fixture_read(Fixture *fixture, const char *path, const char *file) {
        g_autofree char *full = full_path(fixture, path, file);
        char *text = NULL;

        g_assert_true(g_file_get_contents(full, &text, NULL, NULL));
        return text;
}

pid_t fixture_child(Fixture *fixture, const char *path, ChildBody body, void *userdata) {
        int ready[2];
        pid_t pid, parent = getpid();
        char byte;

        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() != parent)
                        _exit(1);
                if (path && fixture_write(fixture, path, "cgroup.procs", "0") < 0)
                        _exit(1);
                (void)close(ready[0]);
                g_assert_cmpint(write(ready[1], "r", 1), ==, 1);
                (void)close(ready[1]);
                if (body)
                        body(userdata);
                for (;;)
                        (void)pause();
        }
        (void)close(ready[1]);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        (void)close(ready[0]);
        g_array_append_val(fixture->children, pid);
        return pid;
}

void fixture_end_child(Fixture *fixture, pid_t pid) {
        for (guint i = 0; i < fixture->children->len; i++)
                if (g_array_index(fixture->children, pid_t, i) == pid) {
                        g_array_remove_index_fast(fixture->children, i);
                        (void)kill(pid, SIGKILL);
                        (void)waitpid(pid, NULL, 0);
                        return;
                }
}

Process fixture_open(pid_t pid) {
        Process process;

        g_assert_cmpint(process_open(pid, &process), ==, 0);
        return process;
}

char *path_of(pid_t pid) {
        CLEANUP_FD int directory = proc_open_directory(pid);
        char path[PROC_CGROUP_MAX];

        g_assert_cmpint(directory, >=, 0);
        g_assert_cmpint(proc_read_cgroup(directory, NULL, path), ==, 0);
        return g_strdup(path + 1);
}

void fixture_wait(Fixture *fixture, FixtureCondition condition, const void *userdata) {
        gint64 deadline = g_get_monotonic_time() + DEADLINE_USEC;

        while (!condition(fixture, userdata)) {
                gint64 left = deadline - g_get_monotonic_time();

                g_assert_cmpint(left, >, 0);
                g_assert_cmpint(sd_event_run(fixture->event, (uint64_t)left), >=, 0);
        }
}

void fixture_run_apart(Fixture *fixture, int unshare_flags, ApartBody body, void *userdata) {
        pid_t pid = fork();
        int status;

        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                g_assert_cmpint(unshare(unshare_flags), ==, 0);
                if (unshare_flags & CLONE_NEWNS)
                        g_assert_cmpint(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), ==, 0);
                if (unshare_flags & CLONE_NEWPID) {
                        pid_t inner = fork();

                        g_assert_cmpint(inner, >=, 0);
                        if (inner > 0) {
                                g_assert_cmpint(waitpid(inner, &status, 0), ==, inner);
                                _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
                        }
                        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                        g_assert_cmpint(mount("proc", "/proc", "proc", 0, NULL), ==, 0);
                }
                /* The parent's loop is no use here, and what is on it is not ours to free. */
                fixture->event = NULL;
                g_assert_cmpint(sd_event_new(&fixture->event), >=, 0);
                body(fixture, userdata);
                _exit(0);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFEXITED(status));
        g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}
