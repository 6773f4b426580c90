// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/numbers.h"

#include <errno.h>
#include <glib.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "tests/lib/make-fact.h"

#define ALL UINT32_MAX

typedef struct Line {
        uint32_t priority, mark, mask, table;
        bool ours;
} Line;

static const Ours second = { 0x10000000, 0x90000000, 1987, 1986, 4964 };

/* Whose rules there are, and what becomes ours; 0: the default. */
static const struct {
        const char *path;
        Line rules[4];
        uint32_t foreign_table;
        Ours want;
} cases[] = {
        { "nobody-is-there", { { 32766, 0, 0, RT_TABLE_MAIN, false } }, 0, { 0 } },
        { "tailscale-and-wg-quick-use-others",
                { { 5210, 0x80000, 0xff0000, RT_TABLE_MAIN, false },
                        { 32765, 51820, ALL, 51820, false } },
                0, { 0 } },
        { "bits-are-taken", { { 100, 0x20000000, 0x20000000, 77, false } }, 0,
                { .mark = 0x10000000, .mark_mask = 0x90000000 } },
        { "bits-are-taken-by-a-whole-mark", { { 100, 0x6d6f6c65, ALL, 1836018789, false } }, 0,
                { .mark = 0x10000000, .mark_mask = 0x90000000 } },
        { "bits-are-taken-by-half-the-mark", { { 100, 0, 0xffff0000, 77, false } }, 0,
                { .mark = 0x1000, .mark_mask = 0x3000 } },
        { "a-table-is-looked-up", { { 100, 0, 0, OURS_DEFAULT_EXCLUDED_TABLE, false } }, 0,
                { .tunnel_table = 1987, .excluded_table = 1986 } },
        { "a-table-has-routes", { { 0 } }, OURS_DEFAULT_TUNNEL_TABLE,
                { .tunnel_table = 1987, .excluded_table = 1986 } },
        { "the-priority-is-taken", { { OURS_DEFAULT_RULE_PRIORITY, 0, 0, 77, false } }, 0,
                { .rule_priority = 4964 } },
        { "a-priority-beside-it-is-taken", { { OURS_DEFAULT_RULE_PRIORITY - 8, 0, 0, 77, false } },
                0, { .rule_priority = 4964 } },
        { "a-vpn-that-takes-all-stands-before", { { 220, 0, 0, 220, false } }, 0,
                { .rule_priority = 200 } },
        { "a-vpn-that-takes-all-stands-before-everything",
                { { 100, 0, 0, 220, false }, { 150, 0, 0, 1836018789, false } }, 0, { 0 } },
        { "ours-stay-whoever-else-came",
                { { OURS_DEFAULT_RULE_PRIORITY, OURS_DEFAULT_MARK, OURS_DEFAULT_MARK_MASK,
                          OURS_DEFAULT_TUNNEL_TABLE, true },
                        { OURS_DEFAULT_RULE_PRIORITY, 0, 0x30000000, OURS_DEFAULT_TUNNEL_TABLE,
                                false } },
                OURS_DEFAULT_TUNNEL_TABLE, { 0 } },
        { "moved-ones-are-found-again", { { 4964, 0x10000000, 0x90000000, 1987, true } }, 0,
                { 0x10000000, 0x90000000, 1987, 1986, 4964 } },
        { "everything-is-taken", { { 100, 0, 0xffffffff & ~1u, 77, false } }, 0, { 0 } },
};

static void put(FactSet *set, const Line *line) {
        make_put(set, (Fact){ .kind = FACT_RULE,
                              .rule = { .family = AF_INET,
                                      .action = FR_ACT_TO_TBL,
                                      .protocol = line->ours ? OURS_PROTOCOL : RTPROT_STATIC,
                                      .priority = line->priority,
                                      .table = line->table,
                                      .mark = line->mark,
                                      .mark_mask = line->mask,
                                      .suppress_prefixlength = RULE_NO_SUPPRESS } });
}

static void check(const Ours *ours, Ours want) {
        if (!want.mark) {
                want.mark = OURS_DEFAULT_MARK;
                want.mark_mask = OURS_DEFAULT_MARK_MASK;
        }
        if (!want.tunnel_table) {
                want.tunnel_table = OURS_DEFAULT_TUNNEL_TABLE;
                want.excluded_table = OURS_DEFAULT_EXCLUDED_TABLE;
        }
        if (!want.rule_priority)
                want.rule_priority = OURS_DEFAULT_RULE_PRIORITY;
        g_assert_cmphex(ours->mark, ==, want.mark);
        g_assert_cmphex(ours->mark_mask, ==, want.mark_mask);
        g_assert_cmpuint(ours->tunnel_table, ==, want.tunnel_table);
        g_assert_cmpuint(ours->excluded_table, ==, want.excluded_table);
        g_assert_cmpuint(ours->rule_priority, ==, want.rule_priority);
        g_assert_true(numbers_equal(ours, &want));
        g_assert_cmphex(ours_included_mark(ours), !=, 0);
}

static NumbersInput input_of(size_t i, const FactSet *set) {
        return (NumbersInput){ .observed = set,
                .set = OURS_DEFAULT,
                .foreign_tables = { cases[i].foreign_table },
                .n_foreign_tables = cases[i].foreign_table ? 1 : 0 };
}

static void test_choose(const void *data) {
        size_t i = GPOINTER_TO_SIZE(data);
        CLEANUP(fact_set_clear) FactSet set = FACT_SET_INIT;
        NumbersInput input = input_of(i, &set);
        Ours ours;

        for (size_t j = 0; j < G_N_ELEMENTS(cases[i].rules) && cases[i].rules[j].priority; j++)
                put(&set, &cases[i].rules[j]);
        ours = numbers_choose(&input);
        check(&ours, cases[i].want);

        /* What an intent was saved for stays, whoever came meanwhile; what is set goes before. */
        input.saved = second;
        ours = numbers_choose(&input);
        check(&ours, second);
        input.fixed = NUMBERS_FIXED_MARK | NUMBERS_FIXED_TABLES | NUMBERS_FIXED_PRIORITY;
        ours = numbers_choose(&input);
        check(&ours, OURS_DEFAULT);
}

static void test_fixed_in_part(void) {
        CLEANUP(fact_set_clear) FactSet set = FACT_SET_INIT;
        NumbersInput input = { .observed = &set, .set = OURS_DEFAULT };
        Ours ours;

        put(&set, &(Line){ OURS_DEFAULT_RULE_PRIORITY, 0, 0x30000000, OURS_DEFAULT_TUNNEL_TABLE,
                          false });
        input.fixed = NUMBERS_FIXED_TABLES;
        input.set.tunnel_table = 7000;
        ours = numbers_choose(&input);
        g_assert_cmphex(ours.mark_mask, ==, 0x03000000);
        g_assert_cmpuint(ours.tunnel_table, ==, 7000);
        g_assert_cmpuint(ours.rule_priority, ==, 4964);
}

static void test_sound(void) {
        static const Ours bad[] = {
                { 0, 0x30000000, 1985, 1984, 4984 },
                { 0x40000000, 0x30000000, 1985, 1984, 4984 },
                { 0x10000000, 0x30000000, RT_TABLE_MAIN, 1984, 4984 },
                { 0x10000000, 0x30000000, 1985, 1985, 4984 },
                { 0x10000000, 0x30000000, 1985, 1984, 0 },
                { 0x10000000, 0x30000000, 1985, 1984, 32766 },
        };

        g_assert_cmpint(numbers_check(&second, NULL), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                g_assert_cmpint(numbers_check(&bad[i], NULL), ==, -EPERM);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *path = g_strconcat("/numbers/", cases[i].path, NULL);

                g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_choose);
        }
        g_test_add_func("/numbers/what-is-not-set-moves-beside-what-is", test_fixed_in_part);
        g_test_add_func("/numbers/that-cannot-work-are-known", test_sound);
        return g_test_run();
}
