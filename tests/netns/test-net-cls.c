// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/net-cls/net-cls.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/netns/test-processes-lib.h"

/*
 * In a mount namespace of its own, with a tmpfs to mount on. The hierarchy is
 * the machine's one all the same, so the group in it is removed at the end; it
 * goes with its last mount.
 */
static void use_group(Fixture *fixture, void *userdata) {
        CLEANUP(net_cls_free_p) NetCls *net_cls = NULL, *again = NULL;
        CLEANUP(process_clear) Process process = fixture_open(*(pid_t *)userdata);
        CLEANUP(process_clear) Process self = fixture_open(getpid());
        CLEANUP(process_clear) Process first = fixture_open(1);
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        g_autofree char *class_id = NULL;
        char path[PROC_CGROUP_MAX];
        CLEANUP_FD int directory = process_open_directory(&process);
        Fault fault = { 0 };
        pid_t child;

        g_assert_cmpint(mount("none", "/mnt", "tmpfs", 0, NULL), ==, 0);
        if (net_cls_open("/mnt/net_cls", 0, &net_cls, &fault) == -ENODEV) {
                g_assert_cmpstr(fault.text, !=, "");
                g_assert_false(g_file_test("/mnt/net_cls", G_FILE_TEST_EXISTS));
                g_assert_cmpint(
                        net_cls_open("/mnt/net_cls", NET_CLS_MAY_MOUNT, &net_cls, &fault), ==, 0);
        }
        g_assert_nonnull(net_cls);
        g_assert_cmpint(net_cls_open("/mnt/elsewhere", 0, &again, NULL), ==, 0);

        g_assert_cmpint(net_cls_exclude_process(net_cls, &process, NULL), ==, 1);
        g_assert_cmpint(net_cls_exclude_process(net_cls, &process, NULL), ==, 0);
        g_assert_cmpint(proc_read_cgroup(directory, "net_cls", path), ==, 0);
        g_assert_cmpstr(path, ==, "/" NET_CLS_GROUP);
        g_assert_cmpint(net_cls_list_members(net_cls, &pids), ==, 0);
        g_assert_cmpuint(pids.n, ==, 1);
        child = *(pid_t *)array_at(&pids, 0);
        g_assert_cmpint(child, ==, process.pid);
        if (g_file_get_contents(
                    "/mnt/net_cls/" NET_CLS_GROUP "/net_cls.classid", &class_id, NULL, NULL))
                g_assert_cmpuint(g_ascii_strtoull(class_id, NULL, 10), ==, NET_CLS_CLASS_ID);

        g_assert_cmpint(net_cls_exclude_process(net_cls, &self, &fault), ==, -EPERM);
        g_assert_cmpint(net_cls_exclude_process(net_cls, &first, &fault), ==, -EPERM);
        g_assert_cmpint(net_cls_return_process(net_cls, &process, NULL), ==, 1);
        g_assert_cmpint(net_cls_return_process(net_cls, &process, NULL), ==, 0);
        g_assert_cmpint(proc_read_cgroup(directory, "net_cls", path), ==, 0);
        g_assert_cmpstr(path, ==, "/");

        g_assert_cmpint(net_cls_exclude_process(net_cls, &process, NULL), ==, 1);
        g_assert_cmpint(net_cls_return_all(net_cls, &fault), ==, 0);
        g_assert_cmpint(net_cls_remove(net_cls, &fault), ==, 0);
        g_assert_cmpint(proc_read_cgroup(directory, "net_cls", path), ==, 0);
        g_assert_cmpstr(path, ==, "/");

        /* Somebody else's class is not taken away. */
        if (g_file_test("/mnt/net_cls/net_cls.classid", G_FILE_TEST_EXISTS)) {
                g_autofree char *group = g_strdup_printf("/mnt/net_cls/split-cg-%d", getpid());
                g_autofree char *file = g_build_filename(group, "cgroup.procs", NULL);
                g_autofree char *text = g_strdup_printf("%d", process.pid);

                net_cls = net_cls_free(net_cls);
                g_assert_cmpint(net_cls_open("/mnt/net_cls", 0, &net_cls, NULL), ==, 0);
                g_assert_cmpint(g_mkdir(group, 0755), ==, 0);
                g_assert_true(g_file_set_contents_full(
                        file, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
                g_assert_cmpint(net_cls_exclude_process(net_cls, &process, &fault), ==, -EBUSY);
                g_assert_true(g_file_set_contents_full("/mnt/net_cls/cgroup.procs", text, -1,
                        G_FILE_SET_CONTENTS_NONE, 0644, NULL));
                g_assert_cmpint(g_rmdir(group), ==, 0);
                g_assert_cmpint(net_cls_remove(net_cls, NULL), ==, 0);
        }
        net_cls = net_cls_free(net_cls);
        again = net_cls_free(again);
        (void)umount2("/mnt/net_cls", 0);
}

static void test_moves_lists_and_takes_back(Fixture *fixture) {
        pid_t pid = fixture_child(fixture, NULL, NULL, NULL);

        fixture_run_apart(fixture, CLONE_NEWNS, use_group, &pid);
}

static void open_nowhere(Fixture *fixture, void *userdata) {
        NetCls *net_cls = NULL;
        Fault fault = { 0 };

        g_assert_cmpint(mount("none", "/mnt", "tmpfs", MS_RDONLY, NULL), ==, 0);
        if (net_cls_open("/mnt/net_cls", NET_CLS_MAY_MOUNT, &net_cls, &fault) < 0)
                g_assert_cmpstr(fault.text, !=, "");
        (void)net_cls_free(net_cls);
}

static void test_says_why_it_cannot_be_mounted(Fixture *fixture) {
        fixture_run_apart(fixture, CLONE_NEWNS, open_nowhere, NULL);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        fixture_test_add("/net-cls/moves-lists-and-takes-back", test_moves_lists_and_takes_back);
        fixture_test_add(
                "/net-cls/says-why-it-cannot-be-mounted", test_says_why_it_cannot_be_mounted);
        return g_test_run();
}
