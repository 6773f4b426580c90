// SPDX-License-Identifier: GPL-3.0-or-later

/* Marking of groups by nftables, with real cgroups: routing leads into the tunnel but for the mark.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/netns.h"
#include "tests/netns/test-nftables-groups-lab.h"

static void expect_source(Lab *lab, LabPacket packet, LabLink link, const char *source) {
        int protocol = packet.protocol == IPPROTO_ICMP && strchr(packet.to, ':') ? IPPROTO_ICMPV6
                                                                                 : packet.protocol;
        LabFrame frame = { 0 };
        int fd = lab_socket(&packet);

        (void)lab_send_from(fd, &packet);
        if (!lab_read(lab, link, protocol,
                    packet.protocol == IPPROTO_ICMP ? packet.icmp_type : packet.port, &frame))
                g_error("protocol %d to %s port %u did not come out where it should",
                        packet.protocol, packet.to, packet.port);
        g_assert_cmpstr(frame.from, ==, source);
        (void)close(fd);
}

static void expect_all(Lab *lab, LabLink link, const char *source4, const char *source6) {
        static const int protocols[] = { IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP };

        for (size_t i = 0; i < G_N_ELEMENTS(protocols); i++) {
                LabPacket packet = { .protocol = protocols[i], .port = groups_next_port() };

                packet.to = FAR4;
                packet.icmp_type = 8;
                expect_source(lab, packet, link, source4);
                packet.to = FAR6;
                packet.icmp_type = 128;
                expect_source(lab, packet, link, source6);
        }
}

static void groups_leave_beside_the_tunnel_with_the_right_source(Lab *lab) {
        Groups groups;

        if (!groups_make(&groups))
                return;
        groups_route_by_mark();
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(groups.outer_id, 1, LAB_MARK, false));
        expect_all(lab, LAB_TUN, "10.77.2.2", "fd77:2::2");
        groups_enter(groups.outer);
        expect_all(lab, LAB_UP, "10.77.1.2", "fd77:1::2");
        groups_enter(groups.inner); /* children of a group are in it */
        expect_all(lab, LAB_UP, "10.77.1.2", "fd77:1::2");
        groups_enter(NULL);
        expect_all(lab, LAB_TUN, "10.77.2.2", "fd77:2::2");
        groups_remove(&groups);
}

static void the_deepest_group_wins(Lab *lab) {
        Groups groups;

        if (!groups_make(&groups))
                return;
        groups_route_by_mark();
        LAB_WRITE(lab, TABLE(0), lab_group(groups.outer_id, 1, LAB_MARK, false),
                lab_group(groups.inner_id, 2, LAB_INCLUDED, false));
        groups_enter(groups.inner);
        expect_all(lab, LAB_TUN, "10.77.2.2", "fd77:2::2");
        groups_enter(groups.outer);
        expect_all(lab, LAB_UP, "10.77.1.2", "fd77:1::2");
        groups_remove(&groups);
}

static void included_groups_use_the_tunnel_with_its_source(Lab *lab) {
        Groups groups;
        LabPacket packet = { .to = FAR4, .protocol = IPPROTO_UDP, .port = groups_next_port() };

        if (!groups_make(&groups))
                return;
        netns_ip("route add default via 10.77.2.1 table 99"); /* the other way round */
        netns_ip("rule add fwmark 0x20000000/0x30000000 lookup 99");
        LAB_WRITE(lab, TABLE(GUARD_BOTH | FILTER_GUARD_INCLUDED),
                lab_group(groups.outer_id, 1, LAB_INCLUDED, false));
        expect_source(lab, packet, LAB_UP, "10.77.1.2");
        groups_enter(groups.outer);
        packet.port = groups_next_port();
        expect_source(lab, packet, LAB_TUN, "10.77.2.2");
        netns_ip("route del default table 99"); /* routing fails: kept inside */
        packet.port = groups_next_port();
        g_assert_cmpint(lab_way_of(lab, &packet), ==, LAB_NOWHERE);
        groups_remove(&groups);
}

static void expect_asked(Lab *lab, const char *asked, int protocol, const char *expected) {
        LabPacket question = { .to = asked, .protocol = protocol, .port = 53 };
        LabFrame frame = { 0 };
        int fd = lab_socket(&question);

        (void)lab_send_from(fd, &question);
        g_assert_true(lab_read(lab, LAB_UP, protocol, 53, &frame));
        g_assert_cmpstr(frame.to, ==, expected);
        (void)close(fd);
}

static void questions_of_groups_go_to_their_resolver(Lab *lab) {
        LabPacket outside = { .to = FAR4, .protocol = IPPROTO_UDP, .port = 53 };
        Groups groups;

        if (!groups_make(&groups))
                return;
        groups_route_by_mark();
        netns_sysctl("ipv4/conf/up0/route_localnet", "1");
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(groups.outer_id, 1, LAB_MARK, true),
                lab_resolver("10.77.1.1"), lab_resolver("fd77:1::1"));
        g_assert_cmpint(lab_way_of(lab, &outside), ==, LAB_TUN);
        groups_enter(groups.outer);
        expect_asked(lab, FAR4, IPPROTO_UDP, "10.77.1.1");
        expect_asked(lab, FAR4, IPPROTO_TCP, "10.77.1.1");
        expect_asked(lab, "10.77.2.1", IPPROTO_UDP, "10.77.1.1");
        expect_asked(lab, "127.0.0.53", IPPROTO_UDP, "10.77.1.1");
        expect_asked(lab, FAR6, IPPROTO_UDP, "fd77:1::1");
        expect_asked(lab, FAR6, IPPROTO_TCP, "fd77:1::1");
        groups_remove(&groups);
}

static void questions_of_nested_groups_go_there_too(Lab *lab) {
        Groups groups;
        Fact both[2];

        if (!groups_make(&groups))
                return;
        groups_route_by_mark();
        netns_sysctl("ipv4/conf/up0/route_localnet", "1");
        both[0] = lab_group(groups.outer_id, 1, LAB_MARK, true);
        both[1] = lab_group(groups.inner_id, 2, LAB_MARK, true);
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_resolver("10.77.1.1"));
        groups_enter(groups.inner);
        /* The outer, the inner, both, the inner alone again. */
        for (int which = 0; which < 4; which++) {
                LAB_WRITE(lab, both[which % 2]);
                if (which % 2)
                        lab_remove(lab, &both[0]);
                expect_asked(lab, FAR4, IPPROTO_UDP, "10.77.1.1");
                expect_asked(lab, "127.0.0.53", IPPROTO_UDP, "10.77.1.1");
                expect_asked(lab, "127.0.0.53", IPPROTO_TCP, "10.77.1.1");
        }
        groups_remove(&groups);
}

/* All places of listeners (MAX_HOOK_COUNT) where conntrack needs one, and our tables do not. */
static void tells_that_there_is_no_conntrack(Lab *lab) {
        g_autoptr(GString) full = g_string_new("add table inet full;");
        Fault fault;

        for (int i = 0; i < 1024; i++)
                g_string_append_printf(full,
                        "add chain inet full c%d { type filter hook input priority %d; };", i, i);
        g_assert_cmpint(nftables_probe(NFTABLES_CGROUP2, &fault), ==, 1);
        g_free(lab_nft("%s", full->str));
        for (NftablesMechanism m = NFTABLES_CGROUP2; m <= NFTABLES_NET_CLS; m++) {
                g_assert_cmpint(nftables_probe(m, &fault), <=, 0);
                g_assert_nonnull(strstr(fault.text, "cannot follow flows (conntrack)"));
        }
        g_assert_cmpint(nftables_probe(NFTABLES_GUARD_ONLY, &fault), ==, 1);
        LAB_WRITE(lab, TABLE(GUARD_BOTH));
        g_assert_cmpint(lab_send(&(LabPacket){ .to = FAR4, .protocol = IPPROTO_UDP, .port = 9 }),
                ==, -EPERM);
}

/* In the cgroup namespace of a group so deep that no level can be told any more. */
static bool tells_what_is_missing_deep_down(const char *directory) {
        Fault fault;

        groups_enter(directory);
        return unshare(CLONE_NEWCGROUP) == 0 && nftables_probe(NFTABLES_CGROUP2, &fault) <= 0 &&
               strstr(fault.text, "cannot match cgroup2 groups") &&
               nftables_probe(NFTABLES_NET_CLS, NULL) == 1 &&
               nftables_probe(NFTABLES_GUARD_ONLY, NULL) == 1;
}

static void tells_that_groups_cannot_be_matched(Lab *lab) {
        g_autoptr(GString) path = NULL;
        size_t length;
        Groups groups;
        int status;
        pid_t pid;

        if (!groups_make(&groups))
                return;
        path = g_string_new(groups.inner);
        length = path->len;
        for (int i = 0; i < 255; i++) {
                g_string_append(path, "/n");
                g_assert_cmpint(mkdir(path->str, 0755), ==, 0);
        }
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0)
                _exit(tells_what_is_missing_deep_down(path->str) ? 0 : 1);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        while (path->len > length) {
                g_assert_cmpint(rmdir(path->str), ==, 0);
                g_string_truncate(path, path->len - 2);
        }
        groups_remove(&groups);
        g_assert_cmpint(status, ==, 0);
}

/* net_cls, in a mount namespace of our own. */
static void class_ids_mark_like_cgroups(Lab *lab) {
        g_autofree char *directory = g_dir_make_tmp("net-cls-XXXXXX", NULL);
        g_autofree char *group = g_build_filename(directory, "talpid-test", NULL);
        g_autofree char *class_id = g_build_filename(group, "net_cls.classid", NULL);
        int fd;

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                mount("net_cls", directory, "cgroup", 0, "net_cls") < 0) {
                g_test_skip("net_cls cannot be mounted here");
                (void)rmdir(directory);
                return;
        }
        g_assert_cmpint(mkdir(group, 0755), ==, 0);
        fd = open(class_id, O_WRONLY | O_CLOEXEC);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(write(fd, "1048577", 7), ==, 7);
        (void)close(fd);
        groups_route_by_mark();
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(0x00100001, 0, LAB_MARK, true),
                lab_resolver("10.77.1.1"));
        expect_all(lab, LAB_TUN, "10.77.2.2", "fd77:2::2");
        groups_enter(group);
        expect_all(lab, LAB_UP, "10.77.1.2", "fd77:1::2");
        expect_asked(lab, FAR4, IPPROTO_UDP, "10.77.1.1");
        groups_enter(directory);
        expect_all(lab, LAB_TUN, "10.77.2.2", "fd77:2::2");
        g_assert_cmpint(rmdir(group), ==, 0);
        g_assert_cmpint(umount(directory), ==, 0);
        g_assert_cmpint(rmdir(directory), ==, 0);
}

#define ADD(path, test) lab_test_add("/nftables-groups/" path, NFTABLES_CGROUP2, test)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("leave-beside-the-tunnel-with-the-right-source",
                groups_leave_beside_the_tunnel_with_the_right_source);
        ADD("the-deepest-wins", the_deepest_group_wins);
        ADD("included-use-the-tunnel-with-its-source",
                included_groups_use_the_tunnel_with_its_source);
        ADD("questions-go-to-their-resolver", questions_of_groups_go_to_their_resolver);
        ADD("without-conntrack-that-is-told-and-the-guard-stands",
                tells_that_there_is_no_conntrack);
        ADD("where-they-cannot-be-matched-that-is-told", tells_that_groups_cannot_be_matched);
        ADD("questions-of-nested-ones-go-there-too", questions_of_nested_groups_go_there_too);
        lab_test_add("/nftables-groups/class-ids-mark-like-cgroups", NFTABLES_NET_CLS,
                class_ids_mark_like_cgroups);
        return g_test_run();
}
