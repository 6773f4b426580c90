// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/nftables/nft-former.h"

#include <errno.h>

#include "backends/nftables/nft-message.h"
#include "backends/nftables/nft-table.h"

#define FORMER_MAX 1024

static int note(Array *former, const MarkedGroup *group) {
        for (size_t i = 0; i < former->n; i++) {
                const MarkedGroup *known = array_at(former, i);

                if (known->id == group->id) {
                        array_remove(former, i);
                        break;
                }
        }
        if (former->n == FORMER_MAX)
                array_remove(former, 0);
        return array_append(former, group) ? 0 : -ENOMEM;
}

static bool is_inhabited(const FactSet *facts) {
        const Fact key = { .kind = FACT_FILTER, .filter = { .kind = FILTER_BASE } };
        const Fact *base = fact_set_find(facts, &key);

        return base && (base->filter.flags & FILTER_INHABITED);
}

int nft_former_note(Array *former, const FactSet *before, const FactSet *after) {
        size_t n;
        const Fact *groups = fact_set_of_kind(before, FACT_MARKED_GROUP, &n);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                MarkedGroup group = groups[i].marked_group;

                group.is_ours &= !is_inhabited(after);
                if (!fact_set_find(after, &groups[i]))
                        r = note(former, &group);
        }
        return r;
}

static int on_elements(const struct nlmsghdr *nlh, void *userdata) {
        if (!nlh) {
                array_clear(userdata);
                return 0;
        }
        return nft_message_decode_groups(nlh, userdata);
}

static int read_set(
        Array *former, const FilterItem *base, const char *set, bool is_ours, NlRequest *request) {
        char buffer[NFT_REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
        CLEANUP(array_clear) Array ids = ARRAY_INIT(uint64_t);
        const uint64_t *id;
        int r = nl_request_dump(
                request, nft_message_get_elements(buffer, set), on_elements, &ids, NULL);

        if (r == -ENOMEM)
                return r;
        r = 0;
        ARRAY_FOREACH(id, &ids) {
                const MarkedGroup group = { .id = *id,
                        .level = NFT_LEVEL_UNKNOWN,
                        .mark = base->mark,
                        .mask = base->mask,
                        .is_ours = is_ours };

                if (r >= 0)
                        r = note(former, &group);
        }
        return r;
}

int nft_former_read(Array *former, const FilterItem *base, NlRequest *request) {
        const NftMark mark = { base->mark, base->mask };
        char name[NFT_SET_NAME_MAX];
        int r = read_set(former, base, SET_FORMER, /* is_ours= */ true, request);

        if (r >= 0)
                r = read_set(former, base, SET_FORMER_OTHERS, /* is_ours= */ false, request);
        if (r >= 0) /* nothing says whose they are, so nothing is let out but connections */
                r = read_set(former, base, nft_table_group_set(&mark, name), /* is_ours= */ false,
                        request);
        return r;
}
