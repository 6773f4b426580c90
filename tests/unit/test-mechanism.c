// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/mechanism.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define BIT MECHANISM_BIT
#define PART(name) (1u << MECHANISM_PART_##name)
#define ALL_PARTS ((1u << _MECHANISM_PART_MAX) - 1)

typedef struct Machine {
        unsigned has;   /* PART() of what is there */
        unsigned tried; /* … of what was asked for */
} Machine;

static bool try_part(MechanismPart part, const char **why, void *userdata) {
        Machine *machine = userdata;

        g_assert_false(machine->tried & (1u << part)); /* once */
        machine->tried |= 1u << part;
        *why = "not here";
        return machine->has & (1u << part);
}

static const struct {
        const char *name;
        unsigned has;
        uint32_t allowed;
        Mechanism expected;
        const char *reason;
        unsigned tried;
} rows[] = {
        { "everything works", ALL_PARTS, MECHANISM_ALL, MECHANISM_BPF, "",
                PART(CGROUP2) | PART(BPF) },
        { "no bpf", ALL_PARTS & ~PART(BPF), MECHANISM_ALL, MECHANISM_NFTABLES, "bpf: not here",
                PART(CGROUP2) | PART(BPF) | PART(NFTABLES) },
        { "the firewall matches no cgroup2 group", ALL_PARTS & ~PART(BPF) & ~PART(NFTABLES),
                MECHANISM_ALL, MECHANISM_NET_CLS, "bpf: not here; nftables: not here", ALL_PARTS },
        { "no cgroup2", ALL_PARTS & ~PART(CGROUP2), MECHANISM_ALL, MECHANISM_NET_CLS,
                "control groups: not here", PART(CGROUP2) | PART(NET_CLS) | PART(NFTABLES_CLASS) },
        { "no cgroup2 and no firewall", ALL_PARTS & ~PART(CGROUP2) & ~PART(NFTABLES_CLASS),
                MECHANISM_ALL, MECHANISM_NONE, "control groups: not here; nftables: not here",
                PART(CGROUP2) | PART(NET_CLS) | PART(NFTABLES_CLASS) },
        { "nothing works", 0, MECHANISM_ALL, MECHANISM_NONE,
                "control groups: not here; net_cls: not here", PART(CGROUP2) | PART(NET_CLS) },
        { "bpf is forced", ALL_PARTS, BIT(MECHANISM_BPF), MECHANISM_BPF, "",
                PART(CGROUP2) | PART(BPF) },
        { "bpf is forced and not there", ALL_PARTS & ~PART(BPF), BIT(MECHANISM_BPF), MECHANISM_NONE,
                "bpf: not here", PART(CGROUP2) | PART(BPF) },
        { "nftables is forced", ALL_PARTS, BIT(MECHANISM_NFTABLES), MECHANISM_NFTABLES, "",
                PART(CGROUP2) | PART(NFTABLES) },
        { "net_cls is forced", ALL_PARTS, BIT(MECHANISM_NET_CLS), MECHANISM_NET_CLS, "",
                PART(NET_CLS) | PART(NFTABLES_CLASS) },
        { "net_cls is forced and not mounted", ALL_PARTS & ~PART(NET_CLS), BIT(MECHANISM_NET_CLS),
                MECHANISM_NONE, "net_cls: not here", PART(NET_CLS) },
        { "none is forced", ALL_PARTS, 0, MECHANISM_NONE, "", 0 },
};

static void test_choice(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                char reason[MECHANISM_REASON_MAX] = "old";
                Machine machine = { .has = rows[i].has };
                Mechanism taken = mechanism_choose(rows[i].allowed, try_part, &machine, reason);

                g_test_message("%s: %s (%s)", rows[i].name, mechanism_name(taken), reason);
                g_assert_cmpint(taken, ==, rows[i].expected);
                g_assert_cmpstr(reason, ==, rows[i].reason);
                g_assert_cmpuint(machine.tried, ==, rows[i].tried);
        }
}

/* However often the one in force fails, there is an end. */
static void test_descent(void) {
        static const Mechanism way[] = { MECHANISM_BPF, MECHANISM_NFTABLES, MECHANISM_NET_CLS,
                MECHANISM_NONE };
        uint32_t allowed = MECHANISM_ALL;

        for (size_t i = 0; i < G_N_ELEMENTS(way); i++) {
                char reason[MECHANISM_REASON_MAX];
                Machine machine = { .has = ALL_PARTS };
                Mechanism taken = mechanism_choose(allowed, try_part, &machine, reason);

                g_assert_cmpint(taken, ==, way[i]);
                allowed &= mechanism_below(taken);
        }
        g_assert_cmpuint(allowed, ==, 0);
        g_assert_cmpuint(mechanism_below(MECHANISM_NONE), ==, 0);
}

/* Sockets without a mark of their own are left to nobody. */
static void test_no_climbing(void) {
        g_assert_cmpuint(mechanism_after(MECHANISM_BPF, false), ==, MECHANISM_ALL);
        g_assert_cmpuint(mechanism_after(MECHANISM_NFTABLES, false), ==,
                BIT(MECHANISM_NFTABLES) | BIT(MECHANISM_NET_CLS));
        g_assert_cmpuint(mechanism_after(MECHANISM_NET_CLS, true), ==, BIT(MECHANISM_NET_CLS));
        g_assert_cmpuint(mechanism_after(MECHANISM_NONE, false), ==, MECHANISM_ALL);
        g_assert_cmpuint(mechanism_after(MECHANISM_NONE, true), ==, 0);
}

static void test_fault(void) {
        static const int of_the_group[] = { -ENOENT, -ENODEV, -ESTALE };
        static const int passing[] = { -ENOMEM, -EAGAIN, -ENOBUFS, -EMFILE, -EINTR };
        static const int of_the_mechanism[] = { -EPERM, -EACCES, -EROFS, -EEXIST, -EINVAL, -E2BIG,
                -EOPNOTSUPP };

        for (int m = MECHANISM_BPF; m < MECHANISM_NONE; m++) {
                for (size_t i = 0; i < G_N_ELEMENTS(of_the_group); i++)
                        g_assert_false(mechanism_is_at_fault((Mechanism)m, of_the_group[i]));
                for (size_t i = 0; i < G_N_ELEMENTS(passing); i++)
                        g_assert_false(mechanism_is_at_fault((Mechanism)m, passing[i]));
                for (size_t i = 0; i < G_N_ELEMENTS(of_the_mechanism); i++)
                        g_assert_true(mechanism_is_at_fault((Mechanism)m, of_the_mechanism[i]));
                g_assert_false(mechanism_is_at_fault((Mechanism)m, 0));
        }
        /* A group too deep for the firewall: no other one would do better. */
        g_assert_false(mechanism_is_at_fault(MECHANISM_NFTABLES, -ERANGE));
        g_assert_false(mechanism_is_at_fault(MECHANISM_NONE, -EPERM));
}

static void test_names(void) {
        for (int i = 0; i < _MECHANISM_MAX; i++)
                g_assert_cmpint(mechanism_parse(mechanism_name((Mechanism)i)), ==, i);
        g_assert_cmpint(mechanism_parse("ebpf"), ==, -EINVAL);
        g_assert_cmpint(mechanism_parse(""), ==, -EINVAL);
}

/* Many long reasons: what fits is said, no more is written. */
static bool try_long(MechanismPart part, const char **why, void *userdata) {
        *why = userdata;
        return false;
}

static void test_reason_is_bounded(void) {
        g_autofree char *text = g_strnfill(MECHANISM_REASON_MAX, 'x');
        char reason[MECHANISM_REASON_MAX];

        g_assert_cmpint(
                mechanism_choose(MECHANISM_ALL, try_long, text, reason), ==, MECHANISM_NONE);
        g_assert_cmpuint(strlen(reason), ==, MECHANISM_REASON_MAX - 1);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/mechanism/best-that-works-is-taken", test_choice);
        g_test_add_func("/mechanism/falling-has-an-end", test_descent);
        g_test_add_func("/mechanism/nothing-climbs-past-open-sockets", test_no_climbing);
        g_test_add_func("/mechanism/knows-its-faults-from-those-of-a-group", test_fault);
        g_test_add_func("/mechanism/names-come-back", test_names);
        g_test_add_func("/mechanism/reason-is-bounded", test_reason_is_bounded);
        return g_test_run();
}
