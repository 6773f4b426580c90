// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Which way each kind of socket goes when its program is taken around the
 * tunnel and brought back, by each mechanism, counted on both paths. The table
 * below is the promise; README.md says what it means to users.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/internet.h"
#include "tests/machine/lib/program.h"
#include "tests/machine/lib/split-lab.h"
#include "tests/machine/lib/split.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* What had happened to the socket when its program was moved. */
typedef enum Stage {
        STAGE_NOTHING,   /* made after */
        STAGE_MADE,      /* socket() */
        STAGE_USED,      /* not connected, with questions answered */
        STAGE_CONNECTED, /* with questions answered */
} Stage;

typedef enum KindFlags {
        KIND_CONNECTS = 1 << 0, /* before it is used */
        KIND_MAPPED = 1 << 1,   /* an IPv6 socket that talks IPv4 */
        KIND_MUTE = 1 << 2,     /* the internet answers nothing */
} KindFlags;

/*
 * Three letters, for sockets = keep, migrate, reset: 'O' goes by the open
 * network with an address of its link, 'T' by the tunnel with that of the
 * tunnel, 'X' is cut, and the program is told. 't' is 'T' after a first datagram
 * that may be refused (EPERM): its flow was masqueraded on the other link.
 *
 * With net_cls the kernel takes all sockets of a process along; what is kept of
 * them are the flows that were begun. No socket tells of which class it was: on
 * the way back each connection is taken for one from around the tunnel.
 */
typedef struct Kind {
        const char *name;
        int type, protocol[2];
        Stage stage;
        KindFlags flags;
        const char *out[SPLIT_N_MECHANISMS];  /* AddProcess, of a program that was in the tunnel */
        const char *back[SPLIT_N_MECHANISMS]; /* RemoveProcess, of one that was around it */
} Kind;

#define UDP                                                                                        \
        SOCK_DGRAM, {                                                                              \
                0, 0                                                                               \
        }
#define TCP                                                                                        \
        SOCK_STREAM, {                                                                             \
                0, 0                                                                               \
        }
#define UDPLITE                                                                                    \
        SOCK_DGRAM, {                                                                              \
                IPPROTO_UDPLITE, IPPROTO_UDPLITE                                                   \
        }
#define MPTCP                                                                                      \
        SOCK_STREAM, {                                                                             \
                IPPROTO_MPTCP, IPPROTO_MPTCP                                                       \
        }
#define PING                                                                                       \
        SOCK_DGRAM, {                                                                              \
                IPPROTO_ICMP, IPPROTO_ICMPV6                                                       \
        }
#define RAW                                                                                        \
        SOCK_RAW, {                                                                                \
                IPPROTO_ICMP, IPPROTO_ICMPV6                                                       \
        }

static const Kind kinds[] = {
        /* out, back: bpf, nftables, net_cls */
        { "UDP made after", UDP, STAGE_NOTHING, 0, { "OOO", "OOO", "OOO" },
                { "TTT", "TTT", "TTT" } },
        { "UDP made before", UDP, STAGE_MADE, 0, { "TOO", "TOO", "OOO" }, { "OTT", "OTT", "TTT" } },
        { "UDP used before", UDP, STAGE_USED, 0, { "TOO", "TOO", "TOO" }, { "OTT", "Ott", "Ott" } },
        { "UDP connected before", UDP, STAGE_CONNECTED, KIND_CONNECTS, { "TOO", "TOO", "TOO" },
                { "OTT", "OTT", "OTT" } },
        { "TCP made after", TCP, STAGE_NOTHING, KIND_CONNECTS, { "OOO", "OOO", "OOO" },
                { "TTT", "TTT", "TTT" } },
        { "TCP made before", TCP, STAGE_MADE, KIND_CONNECTS, { "TOO", "TOO", "OOO" },
                { "OTT", "OTT", "TTT" } },
        { "TCP connected before", TCP, STAGE_CONNECTED, KIND_CONNECTS, { "TTX", "TTX", "TTX" },
                { "OOX", "OOX", "OOX" } },
        { "MPTCP made after", MPTCP, STAGE_NOTHING, KIND_CONNECTS, { "OOO", "OOO", "OOO" },
                { "TTT", "TTT", "TTT" } },
        { "UDP-Lite made after", UDPLITE, STAGE_NOTHING, KIND_MUTE, { "OOO", "OOO", "OOO" },
                { "TTT", "TTT", "TTT" } },
        { "UDP-Lite made before", UDPLITE, STAGE_MADE, KIND_MUTE, { "TOO", "TOO", "OOO" },
                { "OTT", "OTT", "TTT" } },
        { "UDP to a v4-mapped address made after", UDP, STAGE_NOTHING, KIND_MAPPED,
                { "OOO", "OOO", "OOO" }, { "TTT", "TTT", "TTT" } },
        { "UDP to a v4-mapped address connected before", UDP, STAGE_CONNECTED,
                KIND_MAPPED | KIND_CONNECTS, { "TOO", "TOO", "TOO" }, { "OTT", "OTT", "OTT" } },
        { "TCP to a v4-mapped address made after", TCP, STAGE_NOTHING, KIND_MAPPED | KIND_CONNECTS,
                { "OOO", "OOO", "OOO" }, { "TTT", "TTT", "TTT" } },
        { "TCP to a v4-mapped address connected before", TCP, STAGE_CONNECTED,
                KIND_MAPPED | KIND_CONNECTS, { "TTX", "TTX", "TTX" }, { "OOX", "OOX", "OOX" } },
        { "ping made after", PING, STAGE_NOTHING, 0, { "OOO", "OOO", "OOO" },
                { "TTT", "TTT", "TTT" } },
        { "ping used before", PING, STAGE_USED, 0, { "TOO", "TOO", "TOO" },
                { "OTT", "Ott", "Ott" } },
        { "raw made after", RAW, STAGE_NOTHING, 0, { "OOO", "OOO", "OOO" },
                { "TTT", "TTT", "TTT" } },
        { "raw used before", RAW, STAGE_USED, 0, { "TOO", "TOO", "TOO" }, { "OTT", "Ott", "Ott" } },
};

static const char *const policies[] = { "keep", "migrate", "reset" };

static void allow_ping(void) {
        g_free(machine_run_ok("sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647", NULL));
}

/* One socket of the table: a kind and a family. */
typedef struct Case {
        const Kind *kind;
        int slot, v6;
} Case;

static bool case_next(Case *at) {
        do {
                at->slot++;
                at->kind = &kinds[at->slot / 2];
                at->v6 = at->slot % 2;
                if (at->slot / 2 >= (int)G_N_ELEMENTS(kinds))
                        return false;
        } while (!at->v6 && (at->kind->flags & KIND_MAPPED));
        return true;
}

#define CASE_INIT                                                                                  \
        { .slot = -1 }

static const char *case_family(const Case *at) {
        return at->v6 ? "IPv6" : "IPv4";
}

static int port_of(const Kind *kind) {
        return kind->type == SOCK_STREAM ? INTERNET_TALK_PORT : INTERNET_PORT;
}

static bool is_mapped(const Kind *kind) {
        return kind->flags & KIND_MAPPED;
}

static void make(Program *program, const Case *at) {
        const Kind *kind = at->kind;

        CHECK_OK(program_socket(program, at->slot, at->v6 ? AF_INET6 : AF_INET, kind->type,
                kind->protocol[at->v6]));
}

static int use(Program *program, const Case *at) {
        const Kind *kind = at->kind;
        int port = kind->flags & KIND_CONNECTS ? 0 : port_of(kind);

        if (kind->flags & KIND_MUTE)
                return program_send(program, at->slot, port, is_mapped(kind));
        return program_ask(program, at->slot, port, is_mapped(kind), NULL);
}

static int connect_to(Program *program, const Case *at) {
        return program_connect(program, at->slot, port_of(at->kind), is_mapped(at->kind));
}

static void open_all(Program *program) {
        for (Case at = CASE_INIT; case_next(&at);) {
                if (at.kind->stage >= STAGE_MADE)
                        make(program, &at);
                if (at.kind->stage == STAGE_CONNECTED)
                        CHECK_OK(connect_to(program, &at));
                if (at.kind->stage >= STAGE_USED)
                        CHECK_OK(use(program, &at));
        }
}

/* The letter of one socket: which way it goes now, and whether it is answered there. */
static char find_way(SplitLab *f, Program *program, const Case *at, bool is_refusal_fine) {
        WaysSeen seen;
        char letter;
        int r = 0;

        (void)ways_look(&f->ways);
        if (at->kind->stage == STAGE_NOTHING)
                make(program, at);
        if ((at->kind->flags & KIND_CONNECTS) && at->kind->stage != STAGE_CONNECTED)
                r = connect_to(program, at);
        if (r == 0)
                r = use(program, at);
        if (r == -EPERM && is_refusal_fine)
                r = use(program, at);
        seen = ways_look(&f->ways);
        letter = ways_letter(&seen);
        g_test_message("%s, %s: %d open, %d tunnel, %d forged, %s", at->kind->name, case_family(at),
                seen.n_open, seen.n_tunnel, seen.n_forged, g_strerror(-r));
        if (r == 0)
                return letter;
        return letter == '-' && r == -ECONNABORTED ? 'X' : '!';
}

/* What the table says of how many sockets: each that moves was marked, and so on. */
static void check_counts(GVariant *result, size_t policy) {
        unsigned n_marked = 0, n_connected = 0, n_fixed = 0;

        for (Case at = CASE_INIT; policy > 0 && case_next(&at);) {
                bool is_tcp = at.kind->type == SOCK_STREAM;
                bool is_fixed = is_tcp && at.kind->stage == STAGE_CONNECTED;

                n_fixed += is_fixed;
                n_marked += !is_fixed && at.kind->stage != STAGE_NOTHING;
                n_connected += !is_tcp && at.kind->stage == STAGE_CONNECTED;
        }
        g_assert_cmpuint(split_number(result, "sockets-marked"), ==, n_marked);
        g_assert_cmpuint(split_number(result, "sockets-reconnected"), ==, n_connected);
        g_assert_cmpuint(split_number(result, "sockets-reset"), ==, policy == 2 ? n_fixed : 0);
        g_assert_cmpuint(split_number(result, "sockets-left"), ==, policy == 1 ? n_fixed : 0);
}

static unsigned check_ways(SplitLab *f, Program *program, bool back, size_t policy, Stage from) {
        unsigned n_wrong = 0;

        for (Case at = CASE_INIT; case_next(&at);) {
                const char *const *promise = back ? at.kind->back : at.kind->out;
                char expected = promise[f->mechanism][policy], found;

                if (at.kind->stage < from)
                        continue;
                found = find_way(f, program, &at, g_ascii_islower(expected));
                if (found == g_ascii_toupper(expected))
                        continue;
                n_wrong++;
                g_printerr("%s, %s, sockets = %s: %s, %s goes '%c', not '%c'\n",
                        split_mechanism_name(f->mechanism), back ? "back" : "out", policies[policy],
                        at.kind->name, case_family(&at), found, expected);
        }
        return n_wrong;
}

/* All sockets at once: one move, then each of them is tried. */
static void check_table(SplitLab *f, bool back, size_t policy) {
        g_autofree char *options = g_strdup_printf("'sockets': <'%s'>", policies[policy]);
        g_autoptr(Program) program = program_start(BUILD_DIR, NULL);
        g_autoptr(Program) neighbour = program_start(BUILD_DIR, NULL);
        g_autoptr(GVariant) there = NULL, result = NULL, stays = NULL;

        /* Somebody stays, so that the group does. */
        stays = split_exclude(f->client, program_pid(neighbour), "");
        if (back)
                there = split_exclude(f->client, program_pid(program), "");
        open_all(program);
        result = back ? split_include(f->client, program_pid(program), options)
                      : split_exclude(f->client, program_pid(program), options);
        check_counts(result, policy);
        g_assert_cmpuint(check_ways(f, program, back, policy, STAGE_NOTHING), ==, 0);
}

static void check_policy(Machine *machine, size_t policy) {
        SplitLab f;

        allow_ping();
        split_lab_open(&f, machine);
        check_table(&f, /* back= */ false, policy);
        check_table(&f, /* back= */ true, policy);
        split_lab_close(&f);
}

static void test_keep(Machine *machine) {
        check_policy(machine, 0);
}

static void test_migrate(Machine *machine) {
        check_policy(machine, 1);
}

static void test_reset(Machine *machine) {
        check_policy(machine, 2);
}

static bool has_groups(void) {
        g_autofree char *table = machine_run_ok("nft", "list", "table", "inet", "talpid", NULL);

        return strstr(table, "set groups-") ||
               g_file_test("/sys/fs/cgroup/test/talpid-excluded", G_FILE_TEST_EXISTS);
}

/* The last one goes, and the group with it: what was used goes on where it went. */
static void test_group_ends(Machine *machine) {
        g_autoptr(Program) program = NULL;
        g_autoptr(GVariant) there = NULL, back = NULL;
        gint64 deadline = g_get_monotonic_time() + MACHINE_WAIT_MSEC * 1000;
        SplitLab f;

        allow_ping();
        split_lab_open(&f, machine);
        program = program_start(BUILD_DIR, NULL);
        there = split_exclude(f.client, program_pid(program), "");
        open_all(program);
        back = split_include(f.client, program_pid(program), "");
        while (has_groups())
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_assert_cmpuint(check_ways(&f, program, /* back= */ true, 0, STAGE_USED), ==, 0);
        program = program_stop(program);
        split_lab_close(&f);
}

static const CheckCase cases[] = {
        { "/split-sockets/kept-ones-stay-on-the-path-of-their-birth", test_keep },
        { "/split-sockets/migrated-ones-change-path-and-source-where-they-can", test_migrate },
        { "/split-sockets/reset-cuts-what-cannot-change-and-nothing-else", test_reset },
        { "/split-sockets/used-ones-keep-their-path-when-the-group-ends", test_group_ends },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
