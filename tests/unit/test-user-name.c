// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/user-name.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSWD                                                                                     \
        "root:x:0:0:root:/root:/bin/sh\n"                                                          \
        "# alice:x:1:1::/:\n"                                                                      \
        "alice:x:1000:1000:Alice,,,:/home/alice:/bin/sh\n"                                         \
        "alice:x:7:7:the second of the name:/:\n"                                                  \
        "bob::1001:1001:no password\n"                                                             \
        "broken\n"                                                                                 \
        "short:x\n"                                                                                \
        "wordy:x:ten:10:::\n"                                                                      \
        "negative:x:-1:10:::\n"                                                                    \
        "nobodys:x:4294967295:10:::\n"                                                             \
        "huge:x:99999999999999999999:10:::\n"                                                      \
        "open:x:12\n"                                                                              \
        "\n"                                                                                       \
        "::8:8:::\n"                                                                               \
        "+nis:x:9:9:::\n"                                                                          \
        "+:x:9:9:::\n"                                                                             \
        "last:x:2000:2000:no end of line:/:"

static const struct {
        const char *name;
        int want;
        uint32_t uid;
} cases[] = {
        { "root", 0, 0 },
        { "alice", 0, 1000 },
        { "bob", 0, 1001 },
        { "last", 0, 2000 },
        { "ali", -ENOENT, 0 },
        { "alicea", -ENOENT, 0 },
        { "Alice", -ENOENT, 0 },
        { "# alice", 0, 1 }, /* passwd(5) knows no comments: so be it */
        { "broken", -ENOENT, 0 },
        { "short", -ENOENT, 0 },
        { "wordy", -ENOENT, 0 },
        { "negative", -ENOENT, 0 },
        { "nobodys", -ENOENT, 0 },
        { "huge", -ENOENT, 0 },
        { "open", -ENOENT, 0 },
        { "", -ENOENT, 0 },
        { "+nis", -ENOENT, 0 },
        { "+", -ENOENT, 0 },
        { "alice:x", -ENOENT, 0 },
        { "alice:x:1000:1000:Alice,,,", -ENOENT, 0 },
        { "bob::1001\nroot", -ENOENT, 0 },
};

typedef struct Folder {
        char *path, *file;
} Folder;

static Folder folder_new(const char *content, gssize size) {
        Folder folder = { .path = g_dir_make_tmp("talpid-users-XXXXXX", NULL) };

        folder.file = g_build_filename(folder.path, "passwd", NULL);
        if (content)
                g_assert_true(g_file_set_contents(folder.file, content, size, NULL));
        return folder;
}

static void folder_clear(Folder *folder) {
        (void)g_unlink(folder->file);
        g_assert_cmpint(g_rmdir(folder->path), ==, 0);
        g_free(folder->file);
        g_free(folder->path);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Folder, folder_clear)

static void test_cases(void) {
        g_auto(Folder) folder = folder_new(PASSWD, -1);

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                uint32_t uid = 77;

                g_test_message("'%s'", cases[i].name);
                g_assert_cmpint(
                        user_name_find(folder.file, cases[i].name, &uid), ==, cases[i].want);
                g_assert_cmpuint(uid, ==, cases[i].want < 0 ? 77 : cases[i].uid);
        }
}

static void test_no_file(void) {
        g_auto(Folder) folder = folder_new(NULL, 0);
        uint32_t uid;

        g_assert_cmpint(user_name_find(folder.file, "alice", &uid), ==, -ENOENT);
        g_assert_cmpint(user_name_find(folder.path, "alice", &uid), ==, -EINVAL);
        g_assert_cmpint(user_name_find("/dev/zero", "alice", &uid), ==, -EINVAL);
        g_assert_cmpint(mkfifo(folder.file, 0600), ==, 0);
        g_assert_cmpint(user_name_find(folder.file, "alice", &uid), ==, -EINVAL);
}

/* One line of megabytes, bytes of every kind, and a file that is too large. */
static void test_large(void) {
        g_autofree char *long_line = g_strnfill(2 << 20, 'a');
        g_autofree char *text = g_strconcat(long_line, "\nalice:x:1000:1000:::\n", NULL);
        g_auto(Folder) folder = folder_new(text, -1);
        uint32_t uid;

        g_assert_cmpint(user_name_find(folder.file, "alice", &uid), ==, 0);
        g_assert_cmpuint(uid, ==, 1000);
        g_assert_true(g_file_set_contents(folder.file, "a\0b:x:1:\nalice:x\0:1:\n", 21, NULL));
        g_assert_cmpint(user_name_find(folder.file, "alice", &uid), ==, -ENOENT);
        g_assert_cmpint(truncate(folder.file, 1 << 30), ==, 0);
        g_assert_cmpint(user_name_find(folder.file, "alice", &uid), ==, -EFBIG);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/user-name/is-that-of-one-whole-line", test_cases);
        g_test_add_func("/user-name/what-is-no-file-blocks-nothing", test_no_file);
        g_test_add_func("/user-name/large-files-have-an-end", test_large);
        return g_test_run();
}
