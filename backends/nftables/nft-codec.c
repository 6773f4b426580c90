// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/nftables/nft-codec.h"

#include <errno.h>
#include <string.h>

#include <linux/netfilter.h>

#include "backends/base/cleanup.h"
#include "backends/nftables/nft-guard.h"
#include "backends/nftables/nft-ingress.h"
#include "backends/nftables/nft-marks.h"
#include "backends/nftables/nft-message.h"
#include "backends/nftables/nft-sets.h"

uint32_t nft_codec_kinds(NftablesMechanism mechanism) {
        uint32_t kinds = FACT_KIND_BIT(FACT_FILTER);

        if (mechanism != NFTABLES_GUARD_ONLY)
                kinds |= FACT_KIND_BIT(FACT_MARKED_GROUP) | FACT_KIND_BIT(FACT_RESOLVER);
        if (mechanism == NFTABLES_CGROUP2)
                kinds |= FACT_KIND_BIT(FACT_KNOWN_GROUP);
        return kinds;
}

static int refuse(int error, const char *why, const char **ret_why) {
        *ret_why = why;
        return error;
}

static bool is_family(int family) {
        return family == AF_INET || family == AF_INET6;
}

static int check_filter(const FilterItem *item, const char **ret_why) {
        const Prefix *prefix = &item->prefix;

        switch (item->kind) {
        case FILTER_BASE:
                if (item->mark == 0 || ((item->mark | item->included) & ~item->mask))
                        return refuse(-EINVAL, "a mark outside its mask", ret_why);
                if ((item->flags & FILTER_GUARD_INCLUDED) && item->mark == item->included)
                        return refuse(-EINVAL, "one mark for two ways", ret_why);
                return 0;
        case FILTER_TUNNEL:
        case FILTER_UPLINK:
        case FILTER_OUTSIDE:
        case FILTER_INTERFACE:
                if (item->name[0] == 0 || !memchr(item->name, 0, sizeof(item->name)))
                        return refuse(-EINVAL, "not a device name", ret_why);
                return 0;
        case FILTER_TUNNEL_ADDRESS:
        case FILTER_LAN:
        case FILTER_AROUND:
        case FILTER_INCLUDED:
        case FILTER_RESOLVER:
                if (!is_family(prefix->family) || prefix->length > family_size_bits(prefix->family))
                        return refuse(-EINVAL, "not a prefix", ret_why);
                if ((item->kind == FILTER_TUNNEL_ADDRESS || item->kind == FILTER_RESOLVER) &&
                        prefix->length != family_size_bits(prefix->family))
                        return refuse(-EINVAL, "not the address of one host", ret_why);
                return 0;
        case FILTER_USER:
                return 0;
        case _FILTER_KIND_MAX:
                break;
        }
        return refuse(-EINVAL, "not an item of a filter", ret_why);
}

static int check_group(
        const MarkedGroup *group, NftablesMechanism mechanism, const char **ret_why) {
        if (group->mark == 0 || (group->mark & ~group->mask))
                return refuse(-EINVAL, "a mark outside its mask", ret_why);
        if (mechanism == NFTABLES_CGROUP2 && group->level >= NFT_LEVELS)
                return refuse(-ERANGE, "a cgroup too deep for nftables (255 levels)", ret_why);
        if (mechanism == NFTABLES_NET_CLS && group->id > UINT32_MAX)
                return refuse(-ERANGE, "not a class id", ret_why);
        return 0;
}

static int check_known(const KnownGroup *group, const char **ret_why) {
        if (group->is_above && group->level + 1 >= NFT_LEVELS)
                return refuse(-ERANGE, "a cgroup too deep for nftables (255 levels)", ret_why);
        if ((group->mark & ~group->mask) || (group->is_above && group->mark == 0))
                return refuse(-EINVAL, "a mark outside its mask", ret_why);
        return 0;
}

int nft_codec_check(const Fact *fact, NftablesMechanism mechanism, const char **ret_why) {
        if (fact->kind >= _FACT_KIND_MAX ||
                !(nft_codec_kinds(mechanism) & FACT_KIND_BIT(fact->kind)))
                return refuse(-EOPNOTSUPP, "not a kind for this firewall table", ret_why);
        if (fact->kind == FACT_FILTER)
                return check_filter(&fact->filter, ret_why);
        if (fact->kind == FACT_MARKED_GROUP)
                return check_group(&fact->marked_group, mechanism, ret_why);
        if (fact->kind == FACT_KNOWN_GROUP)
                return check_known(&fact->known_group, ret_why);
        if (!is_family(fact->resolver.address.family))
                return refuse(-EINVAL, "not an address", ret_why);
        return 0;
}

/* Conntrack costs everybody: only where flows have to be remembered (kernel.md 3). */
NftFlows nft_codec_flows(const FactSet *facts, NftablesMechanism mechanism) {
        const Fact *filters;
        NftFlows flows = 0;
        size_t n, n_known;

        (void)fact_set_of_kind(facts, FACT_MARKED_GROUP, &n);
        (void)fact_set_of_kind(facts, FACT_KNOWN_GROUP, &n_known);
        if (n + n_known > 0 && mechanism != NFTABLES_GUARD_ONLY)
                flows |= NFT_FLOWS_OF_GROUPS;
        filters = fact_set_of_kind(facts, FACT_FILTER, &n);
        for (size_t i = 0; i < n; i++)
                if (filters[i].filter.kind == FILTER_INTERFACE)
                        flows |= NFT_FLOWS_FORWARDED;
        return flows;
}

static void write_table(NftTable *table) {
        table->rule =
                (NftRule){ .batch = table->batch, .counts = table->base->flags & FILTER_COUNT };
        nft_batch_add_table(table->batch, NFT_TABLE_COMMENT);
        nft_sets_write(table);
        nft_guard_write(table);
        nft_ingress_write(table);
        nft_marks_write(table);
}

int nft_codec_encode(const FactSet *facts, NftablesMechanism mechanism, const NftPast *past,
        uint32_t generation, NftBatch *batch) {
        NftTable table = {
                .batch = batch, .mechanism = mechanism, .flows = nft_codec_flows(facts, mechanism)
        };
        int r;

        if (past) {
                table.flows |= past->flows;
                table.past = past->groups;
                table.n_past = past->n_groups;
                table.redirects_nothing = past->redirects_nothing;
        }
        r = nft_table_gather(&table, facts);

        if (r < 0)
                return r;
        nft_batch_begin(batch, generation);
        nft_batch_add_table(batch, NULL);
        nft_batch_delete_table(batch);
        if (table.base)
                write_table(&table);
        return nft_batch_finish(batch);
}

int nft_codec_encode_probe(NftablesMechanism mechanism, NftFlows flows, NftBatch *batch) {
        static const Fact facts[] = {
                { .kind = FACT_MARKED_GROUP,
                        .marked_group = { .id = 1, .mark = 1, .mask = 1, .resolves = true } },
                { .kind = FACT_RESOLVER,
                        .resolver = { .address = { .family = AF_INET,
                                              .bytes = { 127, 0, 0, 1 } } } },
                { .kind = FACT_FILTER,
                        .filter = { .kind = FILTER_BASE,
                                .flags = FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6,
                                .mark = 1,
                                .mask = 1 } },
                { .kind = FACT_FILTER, .filter = { .kind = FILTER_UPLINK, .name = "none" } },
        };
        CLEANUP(fact_set_clear) FactSet set = FACT_SET_INIT;
        NftTable table = { .batch = batch, .mechanism = mechanism };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_LENGTH(facts); i++)
                r = fact_set_put(&set, &facts[i]);
        if (r >= 0)
                r = nft_table_gather(&table, &set);
        if (r < 0)
                return r;
        table.flows = flows | nft_codec_flows(&set, mechanism);
        batch->table = NFT_TABLE_NAME "-probe";
        nft_batch_begin(batch, 0);
        write_table(&table);
        return nft_batch_finish_dry(batch);
}
