// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Flows outlive packets, sockets, programs and groups: which way they go then,
 * and who is led there by them.
 */

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/netns.h"
#include "tests/netns/test-nftables-groups-lab.h"

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
        groups_route_by_mark();
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(groups.outer_id, 1, LAB_MARK, false));
        groups_enter(groups.outer);
        fd = lab_socket(&connect);
        g_assert_cmpint(lab_send_from(fd, &connect), ==, 0);
        g_assert_true(lab_read(lab, LAB_UP, IPPROTO_TCP, 4300, &frame));
        g_assert_cmpstr(frame.from, ==, "10.77.1.2");
        groups_enter(NULL);
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
                .to = FAR4, .protocol = IPPROTO_UDP, .from_port = 32000, .port = groups_next_port()
        };
        LabPacket answer = {
                .from = FAR4, .to = "10.77.2.2", .protocol = IPPROTO_UDP, .port = 32000
        };
        Groups groups;
        int fd;

        if (!groups_make(&groups))
                return;
        groups_route_by_mark();
        LAB_WRITE(lab, TABLE(0), lab_group(1 /* nobody */, 2, LAB_MARK, false));
        groups_enter(groups.outer);
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

        groups_enter(group);
        r = lab_send(packet);
        groups_enter(NULL);
        return r;
}

static const char *const far_ends[] = { FAR4, FAR6 };

static void a_port_that_changes_hands_leads_nobody_out(Lab *lab) {
        Groups groups;

        if (!groups_make(&groups))
                return;
        groups_route_by_mark();
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(groups.outer_id, 1, LAB_MARK, false));
        for (size_t i = 0; i < G_N_ELEMENTS(far_ends); i++) {
                LabPacket packet = { .to = far_ends[i],
                        .protocol = IPPROTO_UDP,
                        .from_port = 33000,
                        .port = groups_next_port() };

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
                .to = FAR4, .protocol = IPPROTO_UDP, .from_port = 33050, .port = groups_next_port()
        };
        g_autofree char *before = NULL, *after = NULL;
        Groups groups;

        if (!groups_make(&groups))
                return;
        groups_route_by_mark();
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
                .to = FAR4, .protocol = IPPROTO_TCP, .from_port = 33100, .port = groups_next_port()
        };
        Groups groups;

        if (!groups_make(&groups))
                return;
        groups_route_by_mark();
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
        groups_route_by_mark();
        netns_ip("rule add uidrange 1234-1234 lookup 99");
        LAB_WRITE(lab, TABLE(GUARD_BOTH), lab_group(groups.outer_id, 1, LAB_MARK, false),
                lab_user(1234));
        packet.port = groups_next_port();
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
        groups_route_by_mark();
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
        groups_route_by_mark();
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
                .to = FAR4, .protocol = IPPROTO_UDP, .from_port = 33500, .port = groups_next_port()
        };
        Fact inner;
        Groups groups;
        int fd;

        if (!groups_make(&groups))
                return;
        groups_route_by_mark();
        inner = lab_group(groups.inner_id, 2, LAB_MARK, false);
        inner.marked_group.is_ours = true;
        LAB_WRITE(lab, TABLE(GUARD_BOTH), inner);
        groups_enter(groups.inner);
        fd = lab_socket(&packet);
        groups_enter(NULL);
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

/* Nothing tells its old sockets from new ones, but for connections: those begin with a SYN. */
static void who_left_the_list_does_not_follow_its_own(Lab *lab) {
        const Fact base[] = { lab_base(GUARD_BOTH), lab_base(GUARD_BOTH | FILTER_INHABITED) };

        for (size_t i = 0; i < 2 * G_N_ELEMENTS(far_ends); i++) {
                LabPacket packet = { .to = far_ends[i / 2],
                        .protocol = IPPROTO_UDP,
                        .from_port = (uint16_t)(33510 + i),
                        .port = groups_next_port() };
                Groups groups;
                Fact group;

                if (!groups_make(&groups))
                        return;
                if (i == 0)
                        groups_route_by_mark();
                group = lab_group(groups.outer_id, 1, LAB_MARK, false);
                group.marked_group.is_ours = i % 2; /* one that is switched off has members still */
                LAB_WRITE(lab, TABLE(GUARD_BOTH), group);
                g_assert_cmpint(send_from_group(groups.outer, &packet), ==, 0);
                g_assert_true(lab_read(lab, LAB_UP, IPPROTO_UDP, packet.port, NULL));

                LAB_WRITE(lab, base[i % 2]);
                lab_remove(lab, &group);
                for (int k = 0; k < 2; k++)
                        g_assert_cmpint(send_from_group(groups.outer, &packet), ==, -EPERM);
                g_assert_false(lab_read(lab, LAB_UP, IPPROTO_UDP, packet.port, NULL));
                packet.from_port += 100;
                g_assert_cmpint(send_from_group(groups.outer, &packet), ==, 0);
                g_assert_true(lab_read(lab, LAB_TUN, IPPROTO_UDP, packet.port, NULL));
                groups_remove(&groups);
        }
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
                        .port = groups_next_port() };

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

#define ADD(path, test) lab_test_add("/nftables-flows/" path, NFTABLES_CGROUP2, test)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
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
        ADD("who-left-the-list-does-not-follow-its-own", who_left_the_list_does_not_follow_its_own);
        ADD("included-never-follow-an-open-flow", included_never_follow_an_open_flow);
        return g_test_run();
}
