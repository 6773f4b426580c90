// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/nftables/nft-table.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>

#define USUAL_LEVELS 16 /* user.slice/user-N.slice/user@N.service/app.slice/… is 6 with ours */

static int gather_mark(NftTable *table, uint32_t mark, uint32_t mask) {
        for (size_t i = 0; i < table->n_marks; i++)
                if (table->marks[i].value == mark && table->marks[i].mask == mask)
                        return 0;
        if (table->n_marks == NFT_MARKS_MAX)
                return -E2BIG;
        table->marks[table->n_marks++] = (NftMark){ mark, mask };
        return 0;
}

static void gather_filters(NftTable *table) {
        for (size_t i = 0; i < table->n_filters; i++) {
                const FilterItem *item = &table->filters[i].filter;

                table->n_of[item->kind]++;
                table->n_ipv4[item->kind] += item->prefix.family == AF_INET;
                if (item->kind == FILTER_BASE)
                        table->base = item;
        }
}

static int compare_keys(const void *a, const void *b) {
        return fact_compare_key(a, b);
}

bool nft_table_is_former(const NftTable *table, const MarkedGroup *group, NftFormer what) {
        const Fact key = { .kind = FACT_MARKED_GROUP, .marked_group = { .id = group->id } };

        return group->is_ours == (what == NFT_FORMER_OURS) && group->mark == table->base->mark &&
               group->mask == table->base->mask &&
               !(table->n_groups > 0 && bsearch(&key, table->groups, table->n_groups,
                                                sizeof(*table->groups), compare_keys));
}

static void gather_former(NftTable *table, NftFormer what) {
        if (!table->base || !nft_table_guards_flows(table) || nft_table_guards_included(table))
                return;
        for (size_t i = 0; i < table->n_past; i++) {
                const MarkedGroup *group = &table->past[i];
                bool is_known = group->level != NFT_LEVEL_UNKNOWN;
                uint32_t first = is_known ? group->level : 1;
                uint32_t last = is_known ? group->level : USUAL_LEVELS;

                if (nft_table_is_former(table, group, what)) {
                        table->has_former[what] = true;
                        memset(table->former_levels[what] + first, true, last - first + 1);
                }
        }
}

/* One mark for all: there is one way into the tunnel. */
static int gather_known(NftTable *table, const FactSet *facts) {
        table->known = fact_set_of_kind(facts, FACT_KNOWN_GROUP, &table->n_known);
        for (size_t i = 0; i < table->n_known; i++) {
                const KnownGroup *group = &table->known[i].known_group;

                if (!group->is_above)
                        continue;
                table->above[group->level] = true;
                table->new_mark = (NftMark){ group->mark, group->mask };
        }
        return table->new_mark.value
                       ? gather_mark(table, table->new_mark.value, table->new_mark.mask)
                       : 0;
}

int nft_table_gather(NftTable *table, const FactSet *facts) {
        table->filters = fact_set_of_kind(facts, FACT_FILTER, &table->n_filters);
        gather_filters(table);
        if (table->mechanism == NFTABLES_GUARD_ONLY)
                return 0;

        table->groups = fact_set_of_kind(facts, FACT_MARKED_GROUP, &table->n_groups);
        table->resolvers = fact_set_of_kind(facts, FACT_RESOLVER, &table->n_resolvers);
        for (size_t i = 0; i < table->n_groups; i++) {
                const MarkedGroup *group = &table->groups[i].marked_group;
                int r = gather_mark(table, group->mark, group->mask);

                if (r < 0)
                        return r;
                table->levels[table->mechanism == NFTABLES_CGROUP2 ? group->level : 0] = true;
                table->resolves |= group->resolves;
        }
        for (NftFormer what = 0; what < _NFT_FORMER_MAX; what++)
                gather_former(table, what);
        return gather_known(table, facts);
}

bool nft_table_has_prefixes(const NftTable *table, FilterKind kind, int family) {
        size_t n =
                family == AF_INET ? table->n_ipv4[kind] : table->n_of[kind] - table->n_ipv4[kind];

        return n > 0;
}

bool nft_table_guards(const NftTable *table) {
        return table->base->flags & (FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6);
}

bool nft_table_guards_included(const NftTable *table) {
        return table->base->flags & FILTER_GUARD_INCLUDED;
}

/* Who must use the tunnel and has no mark that says so. */
bool nft_table_guards_listed(const NftTable *table) {
        return table->n_of[FILTER_USER] + table->n_of[FILTER_INCLUDED] > 0;
}

bool nft_table_marks_from_uplink(const NftTable *table) {
        return table->n_of[FILTER_UPLINK] > 0;
}

bool nft_table_redirects_listed(const NftTable *table) {
        return nft_table_guards_included(table) && table->n_of[FILTER_RESOLVER] > 0 &&
               !table->redirects_nothing;
}

/* Answers to what is forwarded have our address until later, and would go back into the tunnel. */
bool nft_table_marks_from_tunnel(const NftTable *table) {
        return nft_table_guards_included(table) && table->n_of[FILTER_TUNNEL] > 0 &&
               table->n_of[FILTER_INTERFACE] == 0;
}

FilterKind nft_table_exit(const NftTable *table) {
        return nft_table_guards_included(table) ? FILTER_TUNNEL : FILTER_UPLINK;
}

/* Where resolve-output sends questions of loopback addresses out, route_localnet lets others in. */
bool nft_table_lets_loopback_out(const NftTable *table) {
        bool for_groups = table->n_resolvers > 0 &&
                          table->resolvers[0].resolver.address.family == AF_INET; /* sorted */
        bool for_users = nft_table_redirects_listed(table) && table->n_of[FILTER_USER] > 0 &&
                         table->n_ipv4[FILTER_RESOLVER] > 0;

        return table->n_of[nft_table_exit(table)] > 0 && (for_groups || for_users);
}

/* Class ids follow the process, so they say nothing of whose a socket was. */
bool nft_table_guards_flows(const NftTable *table) {
        return table->mechanism == NFTABLES_CGROUP2 && (table->flows & NFT_FLOWS_OF_GROUPS) &&
               (table->n_groups > 0 || table->new_mark.value || !nft_table_guards_included(table));
}

bool nft_table_has_groups_at(const NftTable *table, unsigned level, const NftMark *mark) {
        for (size_t i = 0; i < table->n_groups; i++) {
                const MarkedGroup *group = &table->groups[i].marked_group;
                bool at_level = table->mechanism != NFTABLES_CGROUP2 || group->level == level;

                if (at_level && (mark ? group->mark == mark->value && group->mask == mark->mask
                                      : group->resolves))
                        return true;
        }
        return false;
}

static const char *device_set(FilterKind kind) {
        switch (kind) {
        case FILTER_TUNNEL:
                return SET_TUNNEL;
        case FILTER_UPLINK:
                return SET_UPLINK;
        case FILTER_OUTSIDE:
                return SET_OUTSIDE;
        case FILTER_INTERFACE:
                return SET_INTERFACES;
        case FILTER_BASE:
        case FILTER_TUNNEL_ADDRESS:
        case FILTER_LAN:
        case FILTER_AROUND:
        case FILTER_USER:
        case FILTER_INCLUDED:
        case FILTER_RESOLVER:
        case _FILTER_KIND_MAX:
                break;
        }
        assert(false);
        return NULL;
}

/* Return: the name of the only device of @kind; NULL: there is another. */
static const char *only_device(const NftTable *table, FilterKind kind) {
        for (size_t i = 0; table->n_of[kind] == 1 && i < table->n_filters; i++)
                if (table->filters[i].filter.kind == kind)
                        return table->filters[i].filter.name;
        return NULL;
}

void nft_table_match_device(NftTable *table, uint32_t key, FilterKind kind) {
        const char *name = only_device(table, kind);

        if (name)
                match_name(&table->rule, key, name);
        else
                match_in_set(&table->rule, key, device_set(kind));
}

void nft_table_match_other_device(NftTable *table, uint32_t key, FilterKind kind) {
        const char *name = only_device(table, kind);

        if (name)
                match_other_name(&table->rule, key, name);
        else
                match_outside_set(&table->rule, key, device_set(kind));
}

bool nft_table_has_groups(const NftTable *table, const NftMark *mark) {
        for (unsigned level = 0; level < NFT_LEVELS; level++)
                if (table->levels[level] && nft_table_has_groups_at(table, level, mark))
                        return true;
        return false;
}

const char *nft_table_prefix_set(FilterKind kind, int family) {
        switch (kind) {
        case FILTER_TUNNEL_ADDRESS:
                return family == AF_INET ? "tunnel-ipv4" : "tunnel-ipv6";
        case FILTER_LAN:
                return family == AF_INET ? "lan-ipv4" : "lan-ipv6";
        case FILTER_AROUND:
                return family == AF_INET ? "around-ipv4" : "around-ipv6";
        case FILTER_INCLUDED:
                return family == AF_INET ? "included-ipv4" : "included-ipv6";
        case FILTER_BASE:
        case FILTER_TUNNEL:
        case FILTER_UPLINK:
        case FILTER_OUTSIDE:
        case FILTER_USER:
        case FILTER_INTERFACE:
        case FILTER_RESOLVER:
        case _FILTER_KIND_MAX:
                break;
        }
        assert(false);
        return NULL;
}

const char *nft_table_former_set(NftFormer what) {
        return what == NFT_FORMER_OURS ? SET_FORMER : SET_FORMER_OTHERS;
}

const char *nft_table_group_set(const NftMark *mark, char name[static NFT_SET_NAME_MAX]) {
        (void)snprintf(name, NFT_SET_NAME_MAX, "groups-0x%08x", mark->value);
        return name;
}

void nft_table_add_chain(NftTable *table, const char *name, const char *type, uint32_t hook,
        int32_t priority, const char *comment) {
        const NftHook where = { type, hook, priority };

        nft_batch_add_chain(table->batch, name, &where, comment);
}

void nft_table_match_groups(NftTable *table, unsigned level, const char *set) {
        if (table->mechanism == NFTABLES_CGROUP2)
                match_cgroup2_set(&table->rule, level, set);
        else
                match_in_set(&table->rule, NFT_META_CGROUP, set);
}

void nft_table_match_new_groups(NftTable *table, unsigned level) {
        if (level > 0)
                match_cgroup2_set(&table->rule, level, SET_ABOVE);
        match_cgroup2_outside_set(&table->rule, level + 1, SET_KNOWN);
}
