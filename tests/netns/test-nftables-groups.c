// SPDX-License-Identifier: GPL-3.0-or-later

/* Marking of groups by nftables, with real cgroups: routing leads into the tunnel but for the mark.
 */

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/netns.h"
#include "tests/netns/test-nftables-lab.h"

#define FAR4 "198.51.100.7"
#define FAR6 "2001:db8:7::7"
#define GUARD_BOTH (FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6)

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

static void move_to(const char *directory) {
        g_autofree char *path = g_build_filename(directory, "cgroup.procs", NULL);
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(write(fd, "0", 1), ==, 1);
        (void)close(fd);
}

/* root/talpid-test-PID/inner: levels 1 and 2. */
typedef struct Groups {
        char *outer, *inner;
        uint64_t outer_id, inner_id;
} Groups;

static uint64_t make_group(const char *path) {
        struct stat status;

        g_assert_cmpint(mkdir(path, 0755), ==, 0);
        g_assert_cmpint(stat(path, &status), ==, 0);
        return status.st_ino;
}

static bool groups_make(Groups *groups) {
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

static void groups_remove(Groups *groups) {
        move_to(home);
        (void)rmdir(groups->inner);
        (void)rmdir(groups->outer);
        g_free(groups->inner);
        g_free(groups->outer);
}

/* Into the tunnel goes what is not marked. */
static void route_by_mark(void) {
        netns_ip("route replace default via 10.77.2.1");
        netns_ip("-6 route del default");
        netns_ip("route add default via fd77:2::1");
        netns_ip("route add default via 10.77.1.1 table 99");
        netns_ip("route add default via fd77:1::1 table 99");
        netns_ip("rule add fwmark 0x10000000/0x30000000 lookup 99");
        netns_ip("-6 rule add fwmark 0x10000000/0x30000000 lookup 99");
        netns_sysctl("ipv4/conf/all/src_valid_mark", "1");
}

#define TABLE(flags)                                                                               \
        lab_base(flags), lab_name(FILTER_TUNNEL, "tun0"), lab_name(FILTER_UPLINK, "up0"),          \
                lab_prefix(FILTER_TUNNEL_ADDRESS, "10.77.2.2"),                                    \
                lab_prefix(FILTER_TUNNEL_ADDRESS, "fd77:2::2")

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

/* New ports every time: each is a new flow. */
static uint16_t next_port(void) {
        static uint16_t port = 20000;

        return port++;
}

static void expect_all(Lab *lab, LabLink link, const char *source4, const char *source6) {
        static const int protocols[] = { IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP };

        for (size_t i = 0; i < G_N_ELEMENTS(protocols); i++) {
                LabPacket packet = { .protocol = protocols[i], .port = next_port() };

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
        route_by_mark();
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(groups.outer_id, 1, LAB_MARK, false));
        expect_all(lab, LAB_TUN, "10.77.2.2", "fd77:2::2");
        move_to(groups.outer);
        expect_all(lab, LAB_UP, "10.77.1.2", "fd77:1::2");
        move_to(groups.inner); /* children of a group are in it */
        expect_all(lab, LAB_UP, "10.77.1.2", "fd77:1::2");
        move_to(home);
        expect_all(lab, LAB_TUN, "10.77.2.2", "fd77:2::2");
        groups_remove(&groups);
}

static void the_deepest_group_wins(Lab *lab) {
        Groups groups;

        if (!groups_make(&groups))
                return;
        route_by_mark();
        LAB_WRITE(lab, TABLE(0), lab_group(groups.outer_id, 1, LAB_MARK, false),
                lab_group(groups.inner_id, 2, LAB_INCLUDED, false));
        move_to(groups.inner);
        expect_all(lab, LAB_TUN, "10.77.2.2", "fd77:2::2");
        move_to(groups.outer);
        expect_all(lab, LAB_UP, "10.77.1.2", "fd77:1::2");
        groups_remove(&groups);
}

static void included_groups_use_the_tunnel_with_its_source(Lab *lab) {
        Groups groups;
        LabPacket packet = { .to = FAR4, .protocol = IPPROTO_UDP, .port = next_port() };

        if (!groups_make(&groups))
                return;
        netns_ip("route add default via 10.77.2.1 table 99"); /* the other way round */
        netns_ip("rule add fwmark 0x20000000/0x30000000 lookup 99");
        LAB_WRITE(lab, TABLE(GUARD_BOTH | FILTER_GUARD_INCLUDED),
                lab_group(groups.outer_id, 1, LAB_INCLUDED, false));
        expect_source(lab, packet, LAB_UP, "10.77.1.2");
        move_to(groups.outer);
        packet.port = next_port();
        expect_source(lab, packet, LAB_TUN, "10.77.2.2");
        netns_ip("route del default table 99"); /* routing fails: kept inside */
        packet.port = next_port();
        g_assert_cmpint(lab_way_of(lab, &packet), ==, LAB_NOWHERE);
        groups_remove(&groups);
}

/* After the exit of a program its last packets have no socket to look at, only their flow. */
static void packets_without_a_socket_keep_to_their_flow(Lab *lab) {
        LabPacket connect = {
                .to = FAR4, .protocol = IPPROTO_TCP, .from_port = 31000, .port = 4300
        };
        LabPacket answer = {
                .from = FAR4, .to = "10.77.1.2", .protocol = IPPROTO_TCP, .from_port = 4300
        };
        LabFrame frame;
        Groups groups;
        int fd;

        if (!groups_make(&groups))
                return;
        route_by_mark();
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(groups.outer_id, 1, LAB_MARK, false));
        move_to(groups.outer);
        fd = lab_socket(&connect);
        g_assert_cmpint(lab_send_from(fd, &connect), ==, 0);
        g_assert_true(lab_read(lab, LAB_UP, IPPROTO_TCP, 4300, &frame));
        g_assert_cmpstr(frame.from, ==, "10.77.1.2");
        move_to(home);
        (void)close(fd);

        /* The kernel answers a SYN-ACK that nobody waits for with a RST of no socket. */
        answer.port = frame.from_port;
        answer.acked = frame.sequence + 1;
        lab_inject(lab, LAB_UP, &answer, TH_SYN | TH_ACK);
        g_assert_true(lab_read(lab, LAB_UP, IPPROTO_TCP, 4300, &frame));
        g_assert_cmpuint(frame.tcp_flags & TH_RST, !=, 0);
        groups_remove(&groups);
}

static void flows_from_before_stay_in_the_tunnel(Lab *lab) {
        LabPacket packet = {
                .to = FAR4, .protocol = IPPROTO_UDP, .from_port = 32000, .port = next_port()
        };
        LabPacket answer = {
                .from = FAR4, .to = "10.77.2.2", .protocol = IPPROTO_UDP, .port = 32000
        };
        Groups groups;
        int fd;

        if (!groups_make(&groups))
                return;
        route_by_mark();
        LAB_WRITE(lab, TABLE(0), lab_group(1 /* nobody */, 2, LAB_MARK, false));
        move_to(groups.outer);
        fd = lab_socket(&packet);
        g_assert_cmpint(lab_send_from(fd, &packet), ==, 0);
        g_assert_true(lab_read(lab, LAB_TUN, IPPROTO_UDP, packet.port, NULL));
        answer.from_port = packet.port;
        lab_inject(lab, LAB_TUN, &answer, 0);
        (void)lab_read(lab, LAB_TUN, 0, 0, NULL);
        LAB_WRITE(lab, lab_group(groups.outer_id, 1, LAB_MARK, false));
        g_assert_cmpint(lab_send_from(fd, &packet), ==, 0);
        g_assert_true(lab_read(lab, LAB_TUN, IPPROTO_UDP, packet.port, NULL));
        g_assert_false(lab_read(lab, LAB_UP, IPPROTO_UDP, packet.port, NULL));
        (void)close(fd);
        groups_remove(&groups);
}

/* Sends from @packet's port by a socket of @group, which is open no longer then. */
static int send_from_group(const char *group, const LabPacket *packet) {
        int r;

        move_to(group);
        r = lab_send(packet);
        move_to(home);
        return r;
}

static const char *const far_ends[] = { FAR4, FAR6 };

static void a_port_that_changes_hands_leads_nobody_out(Lab *lab) {
        Groups groups;

        if (!groups_make(&groups))
                return;
        route_by_mark();
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(groups.outer_id, 1, LAB_MARK, false));
        for (size_t i = 0; i < G_N_ELEMENTS(far_ends); i++) {
                LabPacket packet = { .to = far_ends[i],
                        .protocol = IPPROTO_UDP,
                        .from_port = 33000,
                        .port = next_port() };

                g_assert_cmpint(send_from_group(groups.inner, &packet), ==, 0);
                g_assert_true(lab_read(lab, LAB_UP, IPPROTO_UDP, packet.port, NULL));
                g_assert_cmpint(lab_send(&packet), ==, -EPERM);
                g_assert_false(lab_read(lab, LAB_UP, IPPROTO_UDP, packet.port, NULL));
                g_assert_false(lab_read(lab, LAB_TUN, IPPROTO_UDP, packet.port, NULL));
                packet.from_port++;
                g_assert_cmpint(lab_way_of(lab, &packet), ==, LAB_TUN);
        }
        groups_remove(&groups);
}

/* Else it would last as long as a program with a port of its own tries. */
static void a_refused_packet_does_not_keep_the_flow_alive(Lab *lab) {
        LabPacket packet = {
                .to = FAR4, .protocol = IPPROTO_UDP, .from_port = 33050, .port = next_port()
        };
        g_autofree char *before = NULL, *after = NULL;
        Groups groups;

        if (!groups_make(&groups))
                return;
        route_by_mark();
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(groups.outer_id, 1, LAB_MARK, false));
        g_free(lab_nft("add table ip seen; "
                       "add chain ip seen output { type filter hook output priority -250; }; "
                       "add rule ip seen output udp dport %u counter", /* conntrack is at -200 */
                packet.port));
        g_assert_cmpint(send_from_group(groups.outer, &packet), ==, 0);
        g_assert_cmpint(lab_send(&packet), ==, -EPERM);
        before = lab_nft("list table ip seen");
        g_assert_nonnull(strstr(before, "counter packets 2 "));
        g_assert_cmpint(lab_send(&packet), ==, -EPERM);
        after = lab_nft("list table ip seen");
        g_assert_cmpstr(before, ==, after);
        lab_settle(lab);
        g_assert_cmpuint(lab->n_changes, ==, 0); /* packets that fill a set are nobody's change */

        g_assert_cmpint(send_from_group(groups.outer, &packet), ==, 0);
        g_assert_true(lab_read(lab, LAB_UP, IPPROTO_UDP, packet.port, NULL));
        packet.from_port++;
        g_assert_cmpint(lab_way_of(lab, &packet), ==, LAB_TUN);
        groups_remove(&groups);
}

static void a_connection_over_a_flow_of_another_stays_in(Lab *lab) {
        LabPacket connect = {
                .to = FAR4, .protocol = IPPROTO_TCP, .from_port = 33100, .port = next_port()
        };
        Groups groups;

        if (!groups_make(&groups))
                return;
        route_by_mark();
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(groups.outer_id, 1, LAB_MARK, false));
        g_assert_cmpint(send_from_group(groups.outer, &connect), ==, 0);
        g_assert_true(lab_read(lab, LAB_UP, IPPROTO_TCP, connect.port, NULL));
        (void)lab_send(&connect);
        g_assert_false(lab_read(lab, LAB_UP, IPPROTO_TCP, connect.port, NULL));
        groups_remove(&groups);
}

static void a_port_that_changes_hands_serves_who_may_go_out(Lab *lab) {
        LabPacket packet = { .to = FAR4, .protocol = IPPROTO_UDP, .from_port = 33200 };
        Groups groups;

        if (!groups_make(&groups))
                return;
        route_by_mark();
        netns_ip("rule add uidrange 1234-1234 lookup 99");
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(groups.outer_id, 1, LAB_MARK, false),
                lab_user(1234));
        packet.port = next_port();
        g_assert_cmpint(send_from_group(groups.outer, &packet), ==, 0);
        g_assert_true(lab_read(lab, LAB_UP, IPPROTO_UDP, packet.port, NULL));
        g_assert_cmpint(send_from_group(groups.inner, &packet), ==, 0);
        g_assert_true(lab_read(lab, LAB_UP, IPPROTO_UDP, packet.port, NULL));
        packet.mark = LAB_MARK;
        g_assert_cmpint(lab_way_of(lab, &packet), ==, LAB_UP);
        packet.mark = 0;
        packet.uid = 1234;
        g_assert_cmpint(lab_way_of(lab, &packet), ==, LAB_UP);
        groups_remove(&groups);
}

/* Nothing there can leave, and services of one machine are asked by all of its programs. */
static void a_port_that_changes_hands_is_free_inside(Lab *lab) {
        LabPacket packet = {
                .to = "127.0.0.1", .protocol = IPPROTO_UDP, .from_port = 33300, .port = 9
        };
        Groups groups;

        if (!groups_make(&groups))
                return;
        route_by_mark();
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(groups.outer_id, 1, LAB_MARK, false));
        g_assert_cmpint(send_from_group(groups.outer, &packet), ==, 0);
        g_assert_cmpint(lab_send(&packet), ==, 0);
        groups_remove(&groups);
}

static void a_question_over_that_of_another_stays_in(Lab *lab) {
        LabPacket question = {
                .to = "127.0.0.53", .protocol = IPPROTO_UDP, .from_port = 33400, .port = 53
        };
        Groups groups;

        if (!groups_make(&groups))
                return;
        route_by_mark();
        netns_sysctl("ipv4/conf/up0/route_localnet", "1");
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(groups.outer_id, 1, LAB_MARK, true),
                lab_resolver("10.77.1.1"));
        g_assert_cmpint(send_from_group(groups.outer, &question), ==, 0);
        g_assert_true(lab_read(lab, LAB_UP, IPPROTO_UDP, 53, NULL));
        g_assert_cmpint(lab_send(&question), ==, -EPERM);
        g_assert_false(lab_read(lab, LAB_UP, IPPROTO_UDP, 53, NULL));
        g_assert_false(lab_read(lab, LAB_TUN, IPPROTO_UDP, 53, NULL));
        groups_remove(&groups);
}

static void open_flows_of_former_groups_go_on(Lab *lab) {
        LabPacket packet = {
                .to = FAR4, .protocol = IPPROTO_UDP, .from_port = 33500, .port = next_port()
        };
        Fact inner;
        Groups groups;
        int fd;

        if (!groups_make(&groups))
                return;
        route_by_mark();
        inner = lab_group(groups.inner_id, 2, LAB_MARK, false);
        LAB_WRITE(lab, TABLE(GUARD_BOTH), inner);
        move_to(groups.inner);
        fd = lab_socket(&packet);
        move_to(home);
        g_assert_cmpint(lab_send_from(fd, &packet), ==, 0);
        g_assert_true(lab_read(lab, LAB_UP, IPPROTO_UDP, packet.port, NULL));

        lab_remove(lab, &inner);
        g_assert_cmpint(rmdir(groups.inner), ==, 0);
        g_assert_cmpint(lab_send_from(fd, &packet), ==, 0);
        g_assert_true(lab_read(lab, LAB_UP, IPPROTO_UDP, packet.port, NULL));

        /* Others change the table: what was remembered is not lost with it. */
        g_free(lab_nft("flush table inet talpid"));
        lab_wait_for_report(lab);
        LAB_WRITE(lab, TABLE(GUARD_BOTH));
        g_assert_cmpint(lab_send_from(fd, &packet), ==, 0);
        g_assert_true(lab_read(lab, LAB_UP, IPPROTO_UDP, packet.port, NULL));

        /* So is it by another start of the service. */
        for (int i = 0; i < 2; i++) {
                lab->backend = nftables_free(lab->backend);
                g_assert_cmpint(nftables_new(lab->event, NFTABLES_CGROUP2, &lab->backend), ==, 0);
                lab_listen(lab);
                LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(1 /* nobody */, 2, LAB_MARK, false));
                g_assert_cmpint(lab_send_from(fd, &packet), ==, 0);
                g_assert_true(lab_read(lab, LAB_UP, IPPROTO_UDP, packet.port, NULL));
        }

        (void)close(fd);
        g_assert_cmpint(lab_send(&packet), ==, -EPERM);
        groups_remove(&groups);
}

static void included_never_follow_an_open_flow(Lab *lab) {
        Groups groups;

        if (!groups_make(&groups))
                return;
        netns_ip("route add default via 10.77.2.1 table 99"); /* the other way round */
        netns_ip("-6 route add default via fd77:2::1 table 99");
        netns_ip("rule add fwmark 0x20000000/0x30000000 lookup 99");
        netns_ip("-6 rule add fwmark 0x20000000/0x30000000 lookup 99");
        LAB_WRITE(lab, TABLE(GUARD_BOTH | FILTER_GUARD_INCLUDED),
                lab_group(groups.outer_id, 1, LAB_INCLUDED, false));
        for (size_t i = 0; i < G_N_ELEMENTS(far_ends); i++) {
                LabPacket packet = { .to = far_ends[i],
                        .protocol = IPPROTO_UDP,
                        .from_port = 33600,
                        .port = next_port() };

                g_assert_cmpint(lab_way_of(lab, &packet), ==, LAB_UP);
                for (int k = 0; k < 2; k++)
                        g_assert_cmpint(send_from_group(groups.inner, &packet), ==, -EPERM);
                g_assert_false(lab_read(lab, LAB_UP, IPPROTO_UDP, packet.port, NULL));
                g_assert_cmpint(lab_way_of(lab, &packet), ==, LAB_UP);
                packet.from_port++;
                g_assert_cmpint(send_from_group(groups.inner, &packet), ==, 0);
                g_assert_true(lab_read(lab, LAB_TUN, IPPROTO_UDP, packet.port, NULL));
        }
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
        route_by_mark();
        netns_sysctl("ipv4/conf/up0/route_localnet", "1");
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(groups.outer_id, 1, LAB_MARK, true),
                lab_resolver("10.77.1.1"), lab_resolver("fd77:1::1"));
        g_assert_cmpint(lab_way_of(lab, &outside), ==, LAB_TUN);
        move_to(groups.outer);
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
        route_by_mark();
        netns_sysctl("ipv4/conf/up0/route_localnet", "1");
        both[0] = lab_group(groups.outer_id, 1, LAB_MARK, true);
        both[1] = lab_group(groups.inner_id, 2, LAB_MARK, true);
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_resolver("10.77.1.1"));
        move_to(groups.inner);
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

        move_to(directory);
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
        route_by_mark();
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(0x00100001, 0, LAB_MARK, true),
                lab_resolver("10.77.1.1"));
        expect_all(lab, LAB_TUN, "10.77.2.2", "fd77:2::2");
        move_to(group);
        expect_all(lab, LAB_UP, "10.77.1.2", "fd77:1::2");
        expect_asked(lab, FAR4, IPPROTO_UDP, "10.77.1.1");
        move_to(directory);
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
        ADD("packets-without-a-socket-keep-to-their-flow",
                packets_without_a_socket_keep_to_their_flow);
        ADD("flows-from-before-stay-in-the-tunnel", flows_from_before_stay_in_the_tunnel);
        ADD("port-that-changes-hands-leads-nobody-out", a_port_that_changes_hands_leads_nobody_out);
        ADD("refused-packet-does-not-keep-the-flow-alive",
                a_refused_packet_does_not_keep_the_flow_alive);
        ADD("connection-over-a-flow-of-another-stays-in",
                a_connection_over_a_flow_of_another_stays_in);
        ADD("port-that-changes-hands-serves-who-may-go-out",
                a_port_that_changes_hands_serves_who_may_go_out);
        ADD("port-that-changes-hands-is-free-inside", a_port_that_changes_hands_is_free_inside);
        ADD("question-over-that-of-another-stays-in", a_question_over_that_of_another_stays_in);
        ADD("open-flows-of-former-ones-go-on", open_flows_of_former_groups_go_on);
        ADD("included-never-follow-an-open-flow", included_never_follow_an_open_flow);
        ADD("questions-go-to-their-resolver", questions_of_groups_go_to_their_resolver);
        ADD("without-conntrack-that-is-told-and-the-guard-stands",
                tells_that_there_is_no_conntrack);
        ADD("where-they-cannot-be-matched-that-is-told", tells_that_groups_cannot_be_matched);
        ADD("questions-of-nested-ones-go-there-too", questions_of_nested_groups_go_there_too);
        lab_test_add("/nftables-groups/class-ids-mark-like-cgroups", NFTABLES_NET_CLS,
                class_ids_mark_like_cgroups);
        return g_test_run();
}
