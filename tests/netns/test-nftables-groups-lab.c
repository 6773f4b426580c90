// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/netns/test-nftables-groups-lab.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/netns.h"

static char *root; /* of the cgroup2 hierarchy */
static char *home; /* where this process was */

static bool find_cgroup2(void) {
        g_autofree char *mounts = NULL, *own = NULL;
        g_auto(GStrv) lines = NULL;
        char *line;

        g_assert_true(g_file_get_contents("/proc/self/mountinfo", &mounts, NULL, NULL));
        lines = g_strsplit(mounts, "\n", -1);
        for (char **at = lines; *at && !root; at++)
                if (strstr(*at, " - cgroup2 ")) {
                        g_auto(GStrv) fields = g_strsplit(*at, " ", 6);

                        root = g_strcompress(fields[4]);
                }
        g_assert_true(g_file_get_contents("/proc/self/cgroup", &own, NULL, NULL));
        line = strstr(own, "0::");
        if (!root || !line)
                return false;
        line[strcspn(line, "\n")] = 0;
        home = g_build_filename(root, line + 3, NULL);
        return true;
}

void groups_enter(const char *directory) {
        g_autofree char *path = g_build_filename(directory ?: home, "cgroup.procs", NULL);
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(write(fd, "0", 1), ==, 1);
        (void)close(fd);
}

static uint64_t make_group(const char *path) {
        struct stat status;

        g_assert_cmpint(mkdir(path, 0755), ==, 0);
        g_assert_cmpint(stat(path, &status), ==, 0);
        return status.st_ino;
}

bool groups_make(Groups *groups) {
        g_autofree char *name = g_strdup_printf("talpid-test-%d", getpid());

        *groups = (Groups){ 0 };
        if (!root && !find_cgroup2()) {
                g_test_skip("no cgroup2 hierarchy is mounted here");
                return false;
        }
        groups->outer = g_build_filename(root, name, NULL);
        groups->inner = g_build_filename(groups->outer, "inner", NULL);
        if (g_access(home, W_OK) < 0 || g_access(root, W_OK) < 0) {
                g_test_skip("no cgroup can be made here");
                return false;
        }
        groups->outer_id = make_group(groups->outer);
        groups->inner_id = make_group(groups->inner);
        return true;
}

void groups_remove(Groups *groups) {
        groups_enter(NULL);
        (void)rmdir(groups->inner);
        (void)rmdir(groups->outer);
        g_free(groups->inner);
        g_free(groups->outer);
}

/* Into the tunnel goes what is not marked. */
void groups_route_by_mark(void) {
        netns_ip("route replace default via 10.77.2.1");
        netns_ip("-6 route del default");
        netns_ip("route add default via fd77:2::1");
        netns_ip("route add default via 10.77.1.1 table 99");
        netns_ip("route add default via fd77:1::1 table 99");
        netns_ip("rule add fwmark 0x10000000/0x30000000 lookup 99");
        netns_ip("-6 rule add fwmark 0x10000000/0x30000000 lookup 99");
        netns_sysctl("ipv4/conf/all/src_valid_mark", "1");
}

uint16_t groups_next_port(void) {
        static uint16_t port = 20000;

        return port++;
}
