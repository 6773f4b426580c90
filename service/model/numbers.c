// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/numbers.h"

#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "service/model/other-vpns.h"

/* Neighbours of the tunnel rule need room on both sides, below the main rule's 32766. */
#define PRIORITY_MIN 1
#define PRIORITY_MAX 32765

/* The second leaves out what Mullvad's 0x6d6f6c65 has, the last is below all other VPNs' bits. */
static const struct {
        uint32_t mark, mask;
} marks[NUMBERS_CHOICES] = {
        { OURS_DEFAULT_MARK, OURS_DEFAULT_MARK_MASK },
        { 0x10000000, 0x90000000 },
        { 0x01000000, 0x03000000 },
        { 0x00001000, 0x00003000 },
};

static const struct {
        uint32_t tunnel, excluded;
} tables[NUMBERS_CHOICES] = {
        { OURS_DEFAULT_TUNNEL_TABLE, OURS_DEFAULT_EXCLUDED_TABLE },
        { 1987, 1986 },
        { 1989, 1988 },
        { 1991, 1990 },
};

/* All before Tailscale's 5210, the last before strongSwan's 220. */
static const uint32_t priorities[NUMBERS_CHOICES] = { OURS_DEFAULT_RULE_PRIORITY, 4964, 4944, 200 };

/* Whether a rule uses choice @i of a list. */
typedef bool (*RuleUses)(const Rule *rule, size_t i);

static bool uses_mark(const Rule *rule, size_t i) {
        if (!(rule->mark_mask & marks[i].mask))
                return false;
        /* A rule for a whole mark is about packets that bear it, no others. */
        return rule->mark_mask != UINT32_MAX || (rule->mark & marks[i].mask);
}

static bool uses_tables(const Rule *rule, size_t i) {
        return rule->table == tables[i].tunnel || rule->table == tables[i].excluded;
}

static bool uses_priority(const Rule *rule, size_t i) {
        return rule->priority <= priorities[i] &&
               rule->priority >= priorities[i] - OURS_RULE_AROUND_MAIN;
}

/* Behind a VPN's rule that takes all, ours would be of no use. */
static bool spoils_priority(const Rule *rule, size_t i) {
        return uses_priority(rule, i) ||
               (rule->priority < priorities[i] && other_vpn_rule_takes_all(rule));
}

/* Ours alone have a mask of the list. */
static bool is_of_mark(const Rule *rule, size_t i) {
        return rule->mark_mask == marks[i].mask && uses_mark(rule, i);
}

static bool has_rule(const FactSet *observed, bool ours, RuleUses uses, size_t i) {
        const Fact *facts;
        size_t n;

        facts = fact_set_of_kind(observed, FACT_RULE, &n);
        for (size_t j = 0; j < n; j++)
                if (fact_is_ours(&facts[j]) == ours && uses(&facts[j].rule, i))
                        return true;
        return false;
}

static bool has_foreign_routes(const NumbersInput *input, size_t i) {
        for (size_t j = 0; j < input->n_foreign_tables; j++)
                if (input->foreign_tables[j] == tables[i].tunnel ||
                        input->foreign_tables[j] == tables[i].excluded)
                        return true;
        return false;
}

static bool is_free(const NumbersInput *input, RuleUses uses, size_t i) {
        return !has_rule(input->observed, /* ours= */ false, uses, i) &&
               (uses != uses_tables || !has_foreign_routes(input, i));
}

/* What we left behind goes first, then what is free; else the default, whoever has it. */
static size_t choose(const NumbersInput *input, RuleUses is_ours, RuleUses uses) {
        for (size_t i = 0; i < NUMBERS_CHOICES; i++)
                if (has_rule(input->observed, /* ours= */ true, is_ours, i))
                        return i;
        for (size_t i = 0; i < NUMBERS_CHOICES; i++)
                if (is_free(input, uses, i))
                        return i;
        return 0;
}

void numbers_tables(uint32_t ret[static NUMBERS_TABLES]) {
        for (size_t i = 0; i < NUMBERS_CHOICES; i++) {
                ret[2 * i] = tables[i].tunnel;
                ret[2 * i + 1] = tables[i].excluded;
        }
}

static Ours choose_all(const NumbersInput *input) {
        size_t mark = choose(input, is_of_mark, uses_mark);
        size_t table = choose(input, uses_tables, uses_tables);

        return (Ours){ .mark = marks[mark].mark,
                .mark_mask = marks[mark].mask,
                .tunnel_table = tables[table].tunnel,
                .excluded_table = tables[table].excluded,
                .rule_priority = priorities[choose(input, uses_priority, spoils_priority)] };
}

Ours numbers_choose(const NumbersInput *input) {
        const Ours *set = &input->set;
        Ours ours = input->saved.mark ? input->saved : choose_all(input);

        if (input->fixed & NUMBERS_FIXED_MARK) {
                ours.mark = set->mark;
                ours.mark_mask = set->mark_mask;
        }
        if (input->fixed & NUMBERS_FIXED_TABLES) {
                ours.tunnel_table = set->tunnel_table;
                ours.excluded_table = set->excluded_table;
        }
        if (input->fixed & NUMBERS_FIXED_PRIORITY)
                ours.rule_priority = set->rule_priority;
        return numbers_check(&ours, NULL) >= 0 ? ours : *set;
}

bool numbers_equal(const Ours *a, const Ours *b) {
        return a->mark == b->mark && a->mark_mask == b->mark_mask &&
               a->tunnel_table == b->tunnel_table && a->excluded_table == b->excluded_table &&
               a->rule_priority == b->rule_priority;
}

static bool is_of_kernel(uint32_t table) {
        return table == RT_TABLE_UNSPEC || table == RT_TABLE_DEFAULT || table == RT_TABLE_MAIN ||
               table == RT_TABLE_LOCAL;
}

int numbers_check(const Ours *ours, Refusal *why) {
        if (ours->mark == 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "TALPID_MARK is 0, which every packet has: set a bit");
        if (ours->mark & ~ours->mark_mask)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "TALPID_MARK=%#x has bits outside of TALPID_MARK_MASK=%#x", ours->mark,
                        ours->mark_mask);
        if (is_of_kernel(ours->tunnel_table))
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "TALPID_TUNNEL_TABLE=%u is a table of the kernel: choose another",
                        ours->tunnel_table);
        if (is_of_kernel(ours->excluded_table))
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "TALPID_EXCLUDED_TABLE=%u is a table of the kernel: choose another",
                        ours->excluded_table);
        if (ours->tunnel_table == ours->excluded_table)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "TALPID_TUNNEL_TABLE and TALPID_EXCLUDED_TABLE are both %u: they must "
                        "differ",
                        ours->tunnel_table);
        if (ours->rule_priority < PRIORITY_MIN || ours->rule_priority > PRIORITY_MAX)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "TALPID_RULE_PRIORITY=%u is not between %u and %u", ours->rule_priority,
                        PRIORITY_MIN, PRIORITY_MAX);
        return 0;
}
