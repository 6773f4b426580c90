// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/facts/rule.h"

#include <stdio.h>

#define COMPARE(x, y)                                                                              \
        do {                                                                                       \
                if ((x) != (y))                                                                    \
                        return (x) < (y) ? -1 : 1;                                                 \
        } while (0)

int rule_compare_key(const Rule *a, const Rule *b) {
        int c;

        COMPARE(a->family, b->family);
        COMPARE(a->priority, b->priority);
        COMPARE(a->table, b->table);
        COMPARE(a->protocol, b->protocol);
        COMPARE(a->action, b->action);
        COMPARE(a->invert, b->invert);
        COMPARE(a->exotic, b->exotic);
        COMPARE(a->mark, b->mark);
        COMPARE(a->mark_mask, b->mark_mask);
        COMPARE(a->suppress_prefixlength, b->suppress_prefixlength);
        COMPARE(a->has_uid, b->has_uid);
        COMPARE(a->uid, b->uid);
        c = prefix_compare(&a->source, &b->source);
        if (c != 0)
                return c;
        return prefix_compare(&a->destination, &b->destination);
}

const char *rule_format(const Rule *rule, char text[static RULE_TEXT_MAX]) {
        char source[PREFIX_TEXT_MAX] = "all", to[PREFIX_TEXT_MAX + 4] = "", mark[40] = "",
             uid[24] = "", destination[PREFIX_TEXT_MAX];

        if (rule->source.family)
                (void)prefix_format(&rule->source, source);
        if (rule->destination.family)
                (void)snprintf(
                        to, sizeof(to), " to %s", prefix_format(&rule->destination, destination));
        if (rule->mark || rule->mark_mask)
                (void)snprintf(
                        mark, sizeof(mark), " fwmark 0x%x/0x%x", rule->mark, rule->mark_mask);

        if (rule->has_uid)
                (void)snprintf(uid, sizeof(uid), " uid %u", rule->uid);
        (void)snprintf(text, RULE_TEXT_MAX, "%s %u: %sfrom %s%s%s%s lookup %u proto %u%s",
                family_name(rule->family), rule->priority, rule->invert ? "not " : "", source, to,
                mark, uid, rule->table, rule->protocol, rule->exotic ? " …" : "");
        return text;
}
