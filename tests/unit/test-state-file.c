// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/state-file.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>

#include "backends/base/cleanup.h"
#include "tests/lib/make-fact.h"

typedef struct Place {
        char *directory, *path, *temporary;
} Place;

static Place *place_new(void) {
        Place *place = g_new0(Place, 1);

        place->directory = g_dir_make_tmp("talpid-state-XXXXXX", NULL);
        place->path = g_build_filename(place->directory, "intent", NULL);
        place->temporary = g_strconcat(place->path, ".new", NULL);
        return place;
}

static void place_free(Place *place) {
        (void)g_unlink(place->path);
        (void)g_unlink(place->temporary);
        (void)g_rmdir(place->directory);
        g_free(place->directory);
        g_free(place->path);
        g_free(place->temporary);
        g_free(place);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Place, place_free)

static Intent with_routes(uint32_t n) {
        Intent intent = INTENT_INIT;
        WantedRoute wanted = make_symbolic(RT_TABLE_MAIN, "9.9.9.9/32", 0);

        g_assert_nonnull(array_append(&intent.owners, &(Owner){ .uid = 1000 }));
        for (; wanted.route.metric < n; wanted.route.metric++)
                g_assert_nonnull(array_append(&intent.routes, &wanted));
        return intent;
}

static void test_round_trip(void) {
        CLEANUP(intent_clear)
        Intent intent = with_routes(INTENT_ROUTES_PER_USER_MAX), read = INTENT_INIT;
        g_autoptr(Place) place = place_new();
        GStatBuf status;

        g_assert_cmpint(state_file_write(place->path, &intent), ==, 0);
        g_assert_cmpint(g_stat(place->path, &status), ==, 0);
        g_assert_cmpuint(status.st_mode & 0777, ==, 0600);
        g_assert_cmpuint(status.st_size, <, STATE_FILE_SIZE_MAX / 4);
        g_assert_false(g_file_test(place->temporary, G_FILE_TEST_EXISTS));
        g_assert_cmpint(state_file_read(place->path, &read), ==, 1);
        g_assert_cmpuint(read.routes.n, ==, INTENT_ROUTES_PER_USER_MAX);
}

static void test_empty(void) {
        CLEANUP(intent_clear)
        Intent intent = with_routes(1), none = INTENT_INIT, read = INTENT_INIT;
        g_autoptr(Place) place = place_new();

        g_assert_cmpint(state_file_read(place->path, &read), ==, 0);
        g_assert_cmpint(state_file_write(place->path, &none), ==, 0);
        g_assert_cmpint(state_file_write(place->path, &intent), ==, 0);
        g_assert_cmpint(state_file_write(place->path, &none), ==, 0);
        g_assert_false(g_file_test(place->path, G_FILE_TEST_EXISTS));
}

static void test_left_behind(void) {
        CLEANUP(intent_clear) Intent intent = with_routes(3), read = INTENT_INIT;
        g_autoptr(Place) place = place_new();

        g_assert_true(g_file_set_contents(place->temporary, "half a fi", -1, NULL));
        g_assert_cmpint(state_file_read(place->path, &read), ==, 0);
        g_assert_cmpint(state_file_write(place->path, &intent), ==, 0);
        g_assert_cmpint(state_file_read(place->path, &read), ==, 1);
        g_assert_cmpuint(read.routes.n, ==, 3);
}

static void test_failed_write(void) {
        CLEANUP(intent_clear)
        Intent first = with_routes(1), second = with_routes(2), read = INTENT_INIT;
        g_autoptr(Place) place = place_new();

        g_assert_cmpint(state_file_write(place->path, &first), ==, 0);
        g_assert_cmpint(g_mkdir(place->temporary, 0700), ==, 0);
        g_assert_cmpint(state_file_write(place->path, &second), ==, -EISDIR);
        g_assert_cmpint(g_rmdir(place->temporary), ==, 0);
        g_assert_cmpint(state_file_read(place->path, &read), ==, 1);
        g_assert_cmpuint(read.routes.n, ==, 1);
}

/* From here on fsync() of this descriptor fails, as on a broken disk. */
static void break_disk(int fd) {
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsync, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)fd, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const struct sock_fprog program = { .len = G_N_ELEMENTS(filter), .filter = filter };

        g_assert_cmpint(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), ==, 0);
        g_assert_cmpint(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), ==, 0);
}

/* First the file and then the directory are on the disk, or the caller hears of it. */
static void test_durable(void) {
        CLEANUP(intent_clear) Intent first = with_routes(1), second = with_routes(2);
        g_autoptr(Place) place = place_new();
        int next = dup(STDERR_FILENO);

        g_assert_cmpint(close(next), ==, 0);
        for (int is_directory = 0; is_directory < 2; is_directory++) {
                CLEANUP(intent_clear) Intent read = INTENT_INIT;
                int status;
                pid_t pid;

                g_assert_cmpint(state_file_write(place->path, &first), ==, 0);
                pid = fork();
                g_assert_cmpint(pid, >=, 0);
                if (pid == 0) {
                        break_disk(next + is_directory);
                        _exit(state_file_write(place->path, &second) != -EIO);
                }
                g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
                g_assert_cmpint(status, ==, 0);
                g_assert_cmpint(state_file_read(place->path, &read), ==, 1);
                g_assert_cmpuint(read.routes.n, ==, is_directory ? 2 : 1);
                g_assert_false(g_file_test(place->temporary, G_FILE_TEST_EXISTS));
        }
}

static void test_not_ours(void) {
        CLEANUP(intent_clear) Intent read = INTENT_INIT;
        g_autoptr(Place) place = place_new();

        g_assert_true(g_file_set_contents(place->path, "", 0, NULL));
        g_assert_cmpint(state_file_read(place->path, &read), ==, -EBADMSG);
        g_assert_true(g_file_set_contents(place->path, "talpid-intent 1\n\0end\n", 21, NULL));
        g_assert_cmpint(state_file_read(place->path, &read), ==, -EBADMSG);
        g_assert_true(g_file_set_contents(place->path, "talpid-intent 1\nend\n\0junk", 25, NULL));
        g_assert_cmpint(state_file_read(place->path, &read), ==, -EBADMSG);
        g_assert_cmpint(state_file_read(place->directory, &read), ==, -EBADMSG);
        g_assert_cmpint(g_unlink(place->path), ==, 0);
        g_assert_cmpint(symlink("/dev/zero", place->path), ==, 0);
        g_assert_cmpint(state_file_read(place->path, &read), ==, -ELOOP);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/state-file/a-full-intent-comes-back", test_round_trip);
        g_test_add_func("/state-file/nothing-wanted-is-no-file", test_empty);
        g_test_add_func("/state-file/half-a-file-is-never-read", test_left_behind);
        g_test_add_func("/state-file/a-failed-write-keeps-the-old-one", test_failed_write);
        g_test_add_func("/state-file/is-on-the-disk-before-it-counts", test_durable);
        g_test_add_func("/state-file/what-is-not-ours-is-refused", test_not_ours);
        return g_test_run();
}
