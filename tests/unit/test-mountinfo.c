// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/proc/mountinfo.h"

#include <errno.h>
#include <glib.h>

#include "backends/base/cleanup.h"

#define HYBRID                                                                                     \
        "23 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"                                 \
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"                      \
        "32 31 0:29 / /sys/fs/cgroup/net_cls,net_prio rw shared:9 master:2 - cgroup cgroup "       \
        "rw,net_cls,net_prio\n"                                                                    \
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"

static void assert_found(const char *text, MountKind kind, const char *point) {
        Mount mount;
        int r = mountinfo_next(&text, kind, &mount);

        g_assert_cmpint(r, ==, point != NULL);
        if (point)
                g_assert_cmpstr(mount.point, ==, point);
}

static void test_finds_hierarchies(void) {
        assert_found(HYBRID, MOUNT_CGROUP2, "/sys/fs/cgroup/unified");
        assert_found(HYBRID, MOUNT_NET_CLS, "/sys/fs/cgroup/net_cls,net_prio");
        assert_found("", MOUNT_CGROUP2, NULL);
        assert_found("30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", MOUNT_CGROUP2,
                "/sys/fs/cgroup");
        /* A controller whose name begins so, and a mount that is only called so. */
        assert_found("30 1 0:26 / /x rw - cgroup cgroup rw,net_cls_more", MOUNT_NET_CLS, NULL);
        assert_found("30 1 0:26 / /net_cls rw - tmpfs net_cls rw,net_cls", MOUNT_NET_CLS, NULL);
        assert_found("30 1 0:26 / /cgroup2 rw - ext4 cgroup2 rw", MOUNT_CGROUP2, NULL);
}

static void test_takes_later_ones_in_turn(void) {
        const char *text = "1 1 0:1 / /a rw - cgroup2 x rw\n2 1 0:1 /part /b rw - cgroup2 x rw\n"
                           "junk\n3 1 0:1 / /c ro - cgroup2 x rw\n";
        Mount mount;

        g_assert_cmpint(mountinfo_next(&text, MOUNT_CGROUP2, &mount), ==, 1);
        g_assert_cmpstr(mount.point, ==, "/a");
        g_assert_false(mount.is_read_only);
        g_assert_cmpint(mountinfo_next(&text, MOUNT_CGROUP2, &mount), ==, 1);
        g_assert_cmpstr(mount.point, ==, "/c");
        g_assert_true(mount.is_read_only);
        g_assert_cmpint(mountinfo_next(&text, MOUNT_CGROUP2, &mount), ==, 0);
}

static void test_unescapes(void) {
        static const struct {
                const char *escaped, *plain;
        } cases[] = {
                { "/a\\040b", "/a b" },
                { "/a\\011b", "/a\tb" },
                { "/a\\012b", "/a\nb" },
                { "/a\\134040", "/a\\040" },
                { "/a\\134", "/a\\" },
                { "/a\\04", "/a\\04" }, /* no escape of the kernel's: taken as it is */
                { "/a\\089", "/a\\089" },
                { "/a\\", "/a\\" },
                { "/\\303\\244", "/\303\244" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *line = g_strdup_printf(
                        "41 31 0:38 / %s rw - cgroup2 cgroup2 rw", cases[i].escaped);
                Mount mount;

                g_assert_cmpint(mountinfo_parse_line(line, &mount), ==, 0);
                g_assert_cmpstr(mount.point, ==, cases[i].plain);
        }
}

static void test_refuses_malformed_lines(void) {
        static const char *const lines[] = {
                "",
                " ",
                "41",
                "41 31 0:38 / /x rw",
                "41 31 0:38 / /x rw shared:1 master:2",
                "41 31 0:38 / /x rw -",
                "41 31 0:38 / /x rw - cgroup2",
                "41 31 0:38 / /x rw - cgroup2 cgroup2",
                "41 31 0:38 / x rw - cgroup2 cgroup2 rw",
                "41 31 0:38 / /a\\000b rw - cgroup2 cgroup2 rw",
        };
        g_autofree char *many = g_strnfill(PATH_MAX, 'x');
        g_autofree char *longest = g_strdup_printf("4 3 0:3 / /%s rw - cgroup2 cgroup2 rw", many);
        Mount mount;

        for (size_t i = 0; i < G_N_ELEMENTS(lines); i++)
                g_assert_cmpint(mountinfo_parse_line(lines[i], &mount), ==, -EBADMSG);
        g_assert_cmpint(mountinfo_parse_line(longest, &mount), ==, -ENAMETOOLONG);
}

static void test_reads_the_machines(void) {
        CLEANUP_FREE char *text = NULL;

        g_assert_cmpint(mountinfo_read(&text), ==, 0);
        g_assert_nonnull(strstr(text, " - "));
}

/* Each input in a block of its size: a sanitizer sees what is read behind it. */
static void test_survives_any_text(void) {
        for (unsigned i = 0; i < 20000; i++) {
                g_autofree char *text = g_strdup(HYBRID);
                const char *rest = text;
                size_t length = strlen(text);
                Mount mount;

                for (int n = g_test_rand_int_range(0, 6); n > 0; n--)
                        text[g_test_rand_int_range(0, (int)length)] =
                                "\\ \n-,/0a\377"[g_test_rand_int_range(0, 9)];
                text[g_test_rand_int_range(0, (int)length)] = '\0';
                text = g_realloc(text, strlen(text) + 1);
                rest = text;
                while (mountinfo_next(&rest, MOUNT_CGROUP2, &mount) > 0)
                        g_assert_cmpint(mount.point[0], ==, '/');
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/mountinfo/finds-hierarchies", test_finds_hierarchies);
        g_test_add_func("/mountinfo/takes-later-ones-in-turn", test_takes_later_ones_in_turn);
        g_test_add_func("/mountinfo/unescapes", test_unescapes);
        g_test_add_func("/mountinfo/refuses-malformed-lines", test_refuses_malformed_lines);
        g_test_add_func("/mountinfo/reads-the-machines", test_reads_the_machines);
        g_test_add_func("/mountinfo/survives-any-text", test_survives_any_text);
        return g_test_run();
}
