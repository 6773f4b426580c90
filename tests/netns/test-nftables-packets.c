// SPDX-License-Identifier: GPL-3.0-or-later

/* Every rule of the guard with packets: in the lab the default route leads out beside the tunnel.
 */

#include <errno.h>
#include <netinet/tcp.h>

#include "tests/lib/netns.h"
#include "tests/netns/test-nftables-lab.h"

#define GUARD_BOTH (FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6)
#define FAR4 "198.51.100.7"
#define FAR6 "2001:db8:7::7"

static const char *const link_names[] = { "up0", "tun0", "box0", "nowhere" };

static void expect_way(Lab *lab, const LabPacket *packet, LabLink expected) {
        LabLink way = lab_way_of(lab, packet);

        if (way != expected)
                g_error("protocol %d to %s port %u mark 0x%x went to %s, not to %s",
                        packet->protocol, packet->to, packet->port, packet->mark, link_names[way],
                        link_names[expected]);
}

/* UDP, TCP and echo requests of both families. */
static void expect_ways(
        Lab *lab, const char *to4, const char *to6, uint32_t mark, LabLink expected) {
        static const int protocols[] = { IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP };

        for (size_t i = 0; i < G_N_ELEMENTS(protocols); i++) {
                LabPacket packet = { .protocol = protocols[i], .port = 4242, .mark = mark };

                packet.to = to4;
                packet.icmp_type = 8;
                if (to4)
                        expect_way(lab, &packet, expected);
                packet.to = to6;
                packet.icmp_type = 128;
                if (to6)
                        expect_way(lab, &packet, expected);
        }
}

static void write_guard(Lab *lab, uint32_t flags) {
        LAB_WRITE(lab, lab_base(flags), lab_name(FILTER_TUNNEL, "tun0"),
                lab_name(FILTER_UPLINK, "up0"), lab_name(FILTER_OUTSIDE, "up0"));
}

static void without_a_base_all_pass(Lab *lab) {
        expect_ways(lab, FAR4, FAR6, 0, LAB_UP);
        LAB_WRITE(lab, lab_name(FILTER_TUNNEL, "tun0"));
        expect_ways(lab, FAR4, FAR6, 0, LAB_UP);
        LAB_WRITE(lab, lab_base(0));
        expect_ways(lab, FAR4, FAR6, 0, LAB_UP);
}

static void nothing_leaves_but_by_the_tunnel(Lab *lab) {
        write_guard(lab, GUARD_BOTH);
        expect_ways(lab, FAR4, FAR6, 0, LAB_NOWHERE);
        expect_ways(lab, "10.99.0.1", "fd99::1", 0, LAB_TUN);
}

static void one_family_alone_can_be_guarded(Lab *lab) {
        write_guard(lab, FILTER_GUARD_IPV4);
        expect_ways(lab, FAR4, NULL, 0, LAB_NOWHERE);
        expect_ways(lab, NULL, FAR6, 0, LAB_UP);
        write_guard(lab, FILTER_GUARD_IPV6);
        expect_ways(lab, FAR4, NULL, 0, LAB_UP);
        expect_ways(lab, NULL, FAR6, 0, LAB_NOWHERE);
}

static void marked_packets_go_around(Lab *lab) {
        write_guard(lab, GUARD_BOTH);
        expect_ways(lab, FAR4, FAR6, LAB_MARK, LAB_UP);
        expect_ways(lab, FAR4, FAR6, LAB_MARK | 1, LAB_UP); /* bits of others */
        expect_ways(lab, FAR4, FAR6, LAB_MASK, LAB_NOWHERE);
        expect_ways(lab, FAR4, FAR6, LAB_INCLUDED, LAB_NOWHERE);
}

static void lan_and_around_destinations_pass(Lab *lab) {
        write_guard(lab, GUARD_BOTH);
        LAB_WRITE(lab, lab_prefix(FILTER_LAN, "10.77.1.0/24"),
                lab_prefix(FILTER_LAN, "fd77:1::/64"), lab_prefix(FILTER_AROUND, "198.51.100.0/25"),
                lab_prefix(FILTER_AROUND, "2001:db8:7::/48"));
        expect_ways(lab, "10.77.1.1", "fd77:1::1", 0, LAB_UP);
        expect_ways(lab, FAR4, FAR6, 0, LAB_UP);
        expect_ways(lab, "198.51.100.128", "2001:db8:8::", 0, LAB_NOWHERE);
}

static void users_go_around(Lab *lab) {
        LabPacket packet = { .to = FAR4, .protocol = IPPROTO_UDP, .port = 4242, .uid = 1234 };

        write_guard(lab, GUARD_BOTH);
        if (seteuid(1234) < 0) {
                g_test_skip("there is no second user here");
                return;
        }
        g_assert_cmpint(seteuid(0), ==, 0);
        expect_way(lab, &packet, LAB_NOWHERE);
        LAB_WRITE(lab, lab_user(1234));
        expect_way(lab, &packet, LAB_UP);
        packet.protocol = IPPROTO_TCP;
        expect_way(lab, &packet, LAB_UP);
        packet.to = FAR6;
        expect_way(lab, &packet, LAB_UP);
        packet.uid = 1235;
        expect_way(lab, &packet, LAB_NOWHERE);
}

static void a_link_gets_its_address(Lab *lab) {
        static const struct {
                LabPacket packet;
                LabLink way;
        } cases[] = {
                { { .to = FAR4, .protocol = IPPROTO_UDP, .from_port = 68, .port = 67 }, LAB_UP },
                { { .to = FAR4, .protocol = IPPROTO_UDP, .from_port = 69, .port = 67 },
                        LAB_NOWHERE },
                { { .to = FAR6, .protocol = IPPROTO_UDP, .from_port = 68, .port = 67 },
                        LAB_NOWHERE },
                { { .to = "224.0.0.22", .protocol = IPPROTO_IGMP }, LAB_UP },
                { { .to = FAR4, .protocol = IPPROTO_IGMP }, LAB_NOWHERE },
                { { .to = "ff02::1:2", .protocol = IPPROTO_UDP, .from_port = 546, .port = 547 },
                        LAB_UP },
                { { .to = "fe80::99", .protocol = IPPROTO_UDP, .from_port = 546, .port = 547 },
                        LAB_UP },
                { { .to = FAR6, .protocol = IPPROTO_UDP, .from_port = 546, .port = 547 },
                        LAB_NOWHERE },
                { { .to = "ff02::2", .protocol = IPPROTO_ICMP, .icmp_type = 133 }, LAB_UP },
                { { .to = "fe80::99", .protocol = IPPROTO_ICMP, .icmp_type = 135 }, LAB_UP },
                { { .to = "fe80::99", .protocol = IPPROTO_ICMP, .icmp_type = 136 }, LAB_UP },
                { { .to = "ff02::16", .protocol = IPPROTO_ICMP, .icmp_type = 143 }, LAB_UP },
                { { .to = "fe80::99", .protocol = IPPROTO_ICMP, .icmp_type = 128 }, LAB_NOWHERE },
                { { .to = "fe80::99", .protocol = IPPROTO_ICMP, .icmp_type = 134 }, LAB_NOWHERE },
        };

        write_guard(lab, GUARD_BOTH);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                expect_way(lab, &cases[i].packet, cases[i].way);
}

static void loopback_is_free(Lab *lab) {
        LabPacket packet = { .to = "127.0.0.1", .protocol = IPPROTO_UDP, .port = 4242 };

        write_guard(lab, GUARD_BOTH);
        g_assert_cmpint(lab_send(&packet), ==, 0);
        packet.to = "::1";
        g_assert_cmpint(lab_send(&packet), ==, 0);
        packet.to = "10.77.1.2"; /* our own address of another link */
        g_assert_cmpint(lab_send(&packet), ==, 0);
        packet.to = FAR4;
        g_assert_cmpint(lab_send(&packet), ==, -EPERM);
}

static void included_alone_are_guarded(Lab *lab) {
        write_guard(lab, GUARD_BOTH | FILTER_GUARD_INCLUDED);
        expect_ways(lab, FAR4, FAR6, 0, LAB_UP);
        expect_ways(lab, FAR4, FAR6, LAB_MARK, LAB_UP);
        expect_ways(lab, FAR4, FAR6, LAB_INCLUDED, LAB_NOWHERE);
        expect_ways(lab, "10.99.0.1", "fd99::1", LAB_INCLUDED, LAB_TUN);
}

/* At the output hook both would still show the device of the first route. */
static void judges_the_device_after_rerouting(Lab *lab) {
        LabPacket marked = { .to = "10.99.0.1", .protocol = IPPROTO_UDP, .port = 4243 };
        LabPacket translated = { .to = "127.0.0.1", .protocol = IPPROTO_UDP, .port = 4244 };

        if (!lab_has_nft())
                return;
        netns_ip("route add default via 10.77.1.1 table 99");
        netns_ip("rule add fwmark 0x99 lookup 99");
        netns_sysctl("ipv4/conf/up0/route_localnet", "1");
        g_free(lab_nft("add table inet other"));
        g_free(lab_nft("add chain inet other r { type route hook output priority mangle\\; }"));
        g_free(lab_nft("add rule inet other r udp dport 4243 meta mark set 0x99"));
        g_free(lab_nft("add chain inet other n { type nat hook output priority -100\\; }"));
        g_free(lab_nft("add rule inet other n udp dport 4244 dnat ip to 198.51.100.7"));
        expect_way(lab, &marked, LAB_UP);
        write_guard(lab, GUARD_BOTH);
        expect_way(lab, &marked, LAB_NOWHERE);
        expect_way(lab, &translated, LAB_NOWHERE);
}

/* Forwarding. */

static void expect_forwarded(
        Lab *lab, LabLink in, const char *from, const char *to, LabLink expected) {
        LabPacket packet = {
                .from = from, .to = to, .protocol = IPPROTO_UDP, .from_port = 999, .port = 4245
        };
        LabLink way = LAB_NOWHERE;

        lab_inject(lab, in, &packet, 0);
        for (LabLink link = LAB_UP; link < LAB_LO; link++)
                if (link != in && lab_read(lab, link, IPPROTO_UDP, 4245, NULL))
                        way = link;
        if (way != expected)
                g_error("forwarded from %s to %s went to %s, not to %s", from, to, link_names[way],
                        link_names[expected]);
}

static void nothing_is_forwarded_out_beside_the_tunnel(Lab *lab) {
        expect_forwarded(lab, LAB_BOX, "10.77.3.2", FAR4, LAB_UP);
        expect_forwarded(lab, LAB_BOX, "fd77:3::2", FAR6, LAB_UP);
        write_guard(lab, GUARD_BOTH);
        expect_forwarded(lab, LAB_BOX, "10.77.3.2", FAR4, LAB_NOWHERE);
        expect_forwarded(lab, LAB_BOX, "fd77:3::2", FAR6, LAB_NOWHERE);
        expect_forwarded(lab, LAB_BOX, "10.77.3.2", "10.99.0.1", LAB_TUN);
        expect_forwarded(lab, LAB_BOX, "fd77:3::2", "fd99::1", LAB_TUN);
        expect_forwarded(lab, LAB_UP, FAR4, "10.77.3.2", LAB_BOX); /* in, not out */
        LAB_WRITE(lab, lab_prefix(FILTER_LAN, "198.51.100.0/24"));
        expect_forwarded(lab, LAB_BOX, "10.77.3.2", FAR4, LAB_UP);
}

static void interfaces_go_around_and_their_answers_return(Lab *lab) {
        write_guard(lab, GUARD_BOTH);
        LAB_WRITE(lab, lab_name(FILTER_INTERFACE, "box0"));
        expect_forwarded(lab, LAB_BOX, "10.77.3.2", FAR4, LAB_UP);
        expect_forwarded(lab, LAB_BOX, "fd77:3::2", FAR6, LAB_UP);
        netns_ip("rule add fwmark 0x10000000/0x30000000 lookup 99");
        netns_ip("route add default via 10.77.1.1 table 99");
        netns_ip("route replace default via 10.77.2.1"); /* routing works: into the tunnel */
        expect_forwarded(lab, LAB_BOX, "10.77.3.2", "198.51.100.8", LAB_UP);
}

/* A flow that came in by the uplink is answered there, though nothing else goes there. */
static void answers_to_what_came_in_return_beside_the_tunnel(Lab *lab) {
        LabPacket question = { .from = FAR4,
                .to = "10.77.3.2",
                .protocol = IPPROTO_UDP,
                .from_port = 4245,
                .port = 80 };
        LabPacket answer = { .from = "10.77.3.2",
                .to = FAR4,
                .protocol = IPPROTO_UDP,
                .from_port = 80,
                .port = 4245 };

        write_guard(lab, GUARD_BOTH);
        LAB_WRITE(lab, lab_name(FILTER_INTERFACE, "other0"));
        lab_inject(lab, LAB_BOX, &answer, 0);
        g_assert_false(lab_read(lab, LAB_UP, IPPROTO_UDP, 4245, NULL));
        g_assert_true(true);
        question.from_port = answer.port = 4246;
        lab_inject(lab, LAB_UP, &question, 0);
        g_assert_true(lab_read(lab, LAB_BOX, IPPROTO_UDP, 80, NULL));
        lab_inject(lab, LAB_BOX, &answer, 0);
        g_assert_true(lab_read(lab, LAB_UP, IPPROTO_UDP, 4246, NULL));
}

/* Coming in. */

static bool is_heard(Lab *lab, LabLink in, const char *from, const char *to) {
        LabPacket listener = { .to = to, .protocol = IPPROTO_UDP, .from = to, .from_port = 5353 };
        LabPacket packet = {
                .from = from, .to = to, .protocol = IPPROTO_UDP, .from_port = 999, .port = 5353
        };
        int fd = lab_socket(&listener);
        char byte;
        bool heard;

        lab_inject(lab, in, &packet, 0);
        (void)lab_read(lab, LAB_UP, 0, 0, NULL); /* a frame behind it came through */
        heard = recv(fd, &byte, sizeof(byte), 0) >= 0;
        (void)close(fd);
        return heard;
}

static void tunnel_addresses_answer_inside_it_only(Lab *lab) {
        g_assert_true(is_heard(lab, LAB_UP, FAR4, "10.77.2.2"));
        g_assert_true(is_heard(lab, LAB_UP, FAR6, "fd77:2::2"));
        LAB_WRITE(lab, lab_base(0), lab_name(FILTER_TUNNEL, "tun0"),
                lab_prefix(FILTER_TUNNEL_ADDRESS, "10.77.2.2"),
                lab_prefix(FILTER_TUNNEL_ADDRESS, "fd77:2::2"));
        g_assert_false(is_heard(lab, LAB_UP, FAR4, "10.77.2.2"));
        g_assert_false(is_heard(lab, LAB_UP, FAR6, "fd77:2::2"));
        g_assert_true(is_heard(lab, LAB_UP, FAR4, "10.77.1.2"));
        netns_sysctl("ipv4/conf/all/rp_filter", "0");
        netns_sysctl("ipv4/conf/tun0/rp_filter", "0");
        g_assert_true(is_heard(lab, LAB_TUN, "10.99.0.1", "10.77.2.2"));
        g_assert_true(is_heard(lab, LAB_TUN, "fd99::1", "fd77:2::2"));
}

static void strict_reverse_path_filters_let_uplinks_pass(Lab *lab) {
        netns_ip("rule add fwmark 0x10000000/0x30000000 lookup 99");
        netns_ip("route add default via 10.77.1.1 table 99");
        netns_ip("route replace default via 10.77.2.1");
        netns_sysctl("ipv4/conf/up0/rp_filter", "1");
        netns_sysctl("ipv4/conf/all/src_valid_mark", "1");
        g_assert_false(is_heard(lab, LAB_UP, FAR4, "10.77.1.2"));
        LAB_WRITE(lab, lab_base(0), lab_name(FILTER_UPLINK, "up0"));
        g_assert_true(is_heard(lab, LAB_UP, FAR4, "10.77.1.2"));
}

/* Replacement. */

typedef struct Flood {
        int stop; /* atomic */
        unsigned n_sent, n_refused;
} Flood;

static gpointer flood(gpointer data) {
        static const LabPacket packets[] = {
                { .to = FAR4, .protocol = IPPROTO_UDP, .port = 4250 },
                { .to = FAR6, .protocol = IPPROTO_UDP, .port = 4250 },
        };
        Flood *state = data;
        int fds[] = { lab_socket(&packets[0]), lab_socket(&packets[1]) };

        while (!g_atomic_int_get(&state->stop))
                for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
                        state->n_sent++;
                        state->n_refused += lab_send_from(fds[i], &packets[i]) == -EPERM;
                }
        (void)close(fds[0]);
        (void)close(fds[1]);
        return NULL;
}

static void no_packet_passes_while_tables_are_replaced(Lab *lab) {
        Flood state = { 0 };
        cpu_set_t cpus;
        GThread *thread;

        CPU_ZERO(&cpus); /* replacing and sending at the same time */
        for (unsigned i = 0; i < 64; i++)
                CPU_SET(i, &cpus);
        (void)sched_setaffinity(0, sizeof(cpus), &cpus);
        write_guard(lab, GUARD_BOTH);
        thread = g_thread_new("flood", flood, &state);
        for (unsigned i = 0; i < 1000; i++)
                LAB_WRITE(lab, lab_base(GUARD_BOTH | (i % 2 ? FILTER_COUNT : 0)));
        g_atomic_int_set(&state.stop, 1);
        (void)g_thread_join(thread);
        g_test_message("%u packets, %u refused", state.n_sent, state.n_refused);
        g_assert_cmpuint(state.n_sent, >, 1000);
        g_assert_cmpuint(state.n_sent, ==, state.n_refused);
        g_assert_false(lab_read(lab, LAB_UP, IPPROTO_UDP, 4250, NULL));
}

/* The kernel takes 1024 listeners (MAX_HOOK_COUNT): then conntrack, and so NAT, finds no place. */
static char *fill_input(void) {
        GString *script = g_string_new("add table inet full; ");

        for (int i = 0; i < 1024; i++)
                g_string_append_printf(script,
                        "add chain inet full c%d { type filter hook input priority %d; }; ", i, i);
        return g_string_free(script, FALSE);
}

static void included_users_ask_nobody_here(Lab *lab) {
        LabPacket question = { .to = "127.0.0.53", .protocol = IPPROTO_UDP, .port = 53 };
        g_autofree char *script = fill_input();

        if (!lab_has_nft())
                return;
        g_free(lab_nft("%s", script));
        LAB_WRITE(lab, lab_base(GUARD_BOTH | FILTER_GUARD_INCLUDED),
                lab_name(FILTER_TUNNEL, "tun0"), lab_user(1234),
                lab_prefix(FILTER_RESOLVER, "10.77.2.1"));
        g_assert_cmpint(lab_send(&question), ==, 0);
        question.uid = 1234;
        g_assert_cmpint(lab_send(&question), ==, -EPERM);
        question.port = 54;
        g_assert_cmpint(lab_send(&question), ==, 0);
}

#define ADD(path, test) lab_test_add("/nftables-packets/" path, NFTABLES_GUARD_ONLY, test)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("without-a-base-all-pass", without_a_base_all_pass);
        ADD("nothing-leaves-but-by-the-tunnel", nothing_leaves_but_by_the_tunnel);
        ADD("one-family-alone-can-be-guarded", one_family_alone_can_be_guarded);
        ADD("marked-packets-go-around", marked_packets_go_around);
        ADD("lan-and-around-destinations-pass", lan_and_around_destinations_pass);
        ADD("users-go-around", users_go_around);
        ADD("a-link-gets-its-address", a_link_gets_its_address);
        ADD("loopback-is-free", loopback_is_free);
        ADD("included-alone-are-guarded", included_alone_are_guarded);
        ADD("included-users-ask-nobody-here-without-nat", included_users_ask_nobody_here);
        ADD("judges-the-device-after-rerouting", judges_the_device_after_rerouting);
        ADD("nothing-is-forwarded-out-beside-the-tunnel",
                nothing_is_forwarded_out_beside_the_tunnel);
        ADD("interfaces-go-around-and-their-answers-return",
                interfaces_go_around_and_their_answers_return);
        ADD("answers-to-what-came-in-return-beside-the-tunnel",
                answers_to_what_came_in_return_beside_the_tunnel);
        ADD("tunnel-addresses-answer-inside-it-only", tunnel_addresses_answer_inside_it_only);
        ADD("strict-reverse-path-filters-let-uplinks-pass",
                strict_reverse_path_filters_let_uplinks_pass);
        ADD("no-packet-passes-while-tables-are-replaced",
                no_packet_passes_while_tables_are_replaced);
        return g_test_run();
}
