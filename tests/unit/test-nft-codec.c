// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/nftables/nft-codec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <libmnl/libmnl.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/nftables/nft-message.h"

static Fact base(void) {
        return (Fact){ .kind = FACT_FILTER,
                .filter = {
                        .kind = FILTER_BASE, .flags = FILTER_GUARD_IPV4, .mark = 1, .mask = 1 } };
}

/* Types of the messages in @batch, each within its bytes. */
static GArray *types_of(const NftBatch *batch) {
        GArray *types = g_array_new(FALSE, FALSE, sizeof(uint16_t));
        const struct nlmsghdr *nlh = (const void *)batch->bytes;
        int left = (int)batch->size;

        for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
                g_array_append_val(types, nlh->nlmsg_type);
        g_assert_cmpint(left, ==, 0);
        return types;
}

static void begins_by_taking_the_old_table_away(void) {
        static const uint16_t head[] = { NFNL_MSG_BATCH_BEGIN, NFNL_SUBSYS_NFTABLES << 8,
                NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE, NFNL_SUBSYS_NFTABLES << 8 };
        FactSet facts = FACT_SET_INIT;
        NftBatch batch = NFT_BATCH_INIT;
        Fact fact = base();
        g_autoptr(GArray) types = NULL;

        g_assert_cmpint(fact_set_put(&facts, &fact), ==, 0);
        g_assert_cmpint(nft_codec_encode(&facts, NFTABLES_GUARD_ONLY, NULL, 7, &batch), ==, 0);
        types = types_of(&batch);
        g_assert_cmpmem(types->data, sizeof(head), head, sizeof(head));
        g_assert_cmpuint(g_array_index(types, uint16_t, types->len - 1), ==, NFNL_MSG_BATCH_END);
        nft_batch_clear(&batch);
        fact_set_clear(&facts);
}

static void removes_the_table_without_a_base(void) {
        FactSet facts = FACT_SET_INIT;
        NftBatch batch = NFT_BATCH_INIT;
        g_autoptr(GArray) types = NULL;

        g_assert_cmpint(nft_codec_encode(&facts, NFTABLES_GUARD_ONLY, NULL, 0, &batch), ==, 0);
        types = types_of(&batch);
        g_assert_cmpuint(types->len, ==, 4);
        nft_batch_clear(&batch);
}

static void probe_has_no_end(void) {
        NftBatch batch = NFT_BATCH_INIT;
        g_autoptr(GArray) types = NULL;

        g_assert_cmpint(nft_codec_encode_probe(NFTABLES_CGROUP2, 0, &batch), ==, 0);
        types = types_of(&batch);
        g_assert_cmpuint(g_array_index(types, uint16_t, types->len - 1), !=, NFNL_MSG_BATCH_END);
        nft_batch_clear(&batch);
}

static void refuses_what_no_table_can_hold(void) {
        Fact facts[] = { base(), base(), base(), base(), base(), base(), base() };
        const char *why = NULL;

        facts[0].filter.mask = 0;
        facts[1].filter.mark = 2;
        facts[2].filter.flags |= FILTER_GUARD_INCLUDED;
        facts[2].filter.included = 1;
        facts[3].filter = (FilterItem){ .kind = FILTER_TUNNEL };
        facts[4].filter = (FilterItem){ .kind = FILTER_LAN };
        facts[5].filter = (FilterItem){ .kind = FILTER_TUNNEL_ADDRESS,
                .prefix = { .family = AF_INET, .length = 24 } };
        facts[6].kind = FACT_MARKED_GROUP;
        for (size_t i = 0; i < G_N_ELEMENTS(facts); i++) {
                g_assert_cmpint(nft_codec_check(&facts[i], NFTABLES_GUARD_ONLY, &why), <, 0);
                g_assert_nonnull(why);
        }
}

/* A table message as the kernel sends it. */
static struct nlmsghdr *table_message(char *buffer, const char *name, const char *comment) {
        struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
        struct nfgenmsg *header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));
        uint8_t data[128] = { 0, (uint8_t)(strlen(comment) + 1) };

        nlh->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE;
        header->nfgen_family = NFPROTO_INET;
        memcpy(data + 2, comment, strlen(comment) + 1);
        mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, name);
        mnl_attr_put_u64(nlh, NFTA_TABLE_HANDLE, htobe64(42));
        mnl_attr_put(nlh, NFTA_TABLE_USERDATA, strlen(comment) + 3, data);
        return nlh;
}

static void knows_its_table_by_name_and_comment(void) {
        char buffer[512] __attribute__((aligned(NLMSG_ALIGNTO)));
        NftTableInfo info;

        g_assert_cmpint(
                nft_message_decode_table(table_message(buffer, "talpid", NFT_TABLE_COMMENT), &info),
                ==, 1);
        g_assert_true(info.is_ours);
        g_assert_cmpuint(info.handle, ==, 42);
        g_assert_cmpint(
                nft_message_decode_table(table_message(buffer, "talpid", "mine"), &info), ==, 1);
        g_assert_false(info.is_ours);
        g_assert_cmpint(
                nft_message_decode_table(table_message(buffer, "talpid2", "talpid: "), &info), ==,
                0);
}

/* Every length and every byte: nothing is read outside (ASan), nothing crashes. */
static void survives_cut_and_changed_messages(void) {
        char buffer[512] __attribute__((aligned(NLMSG_ALIGNTO)));
        struct nlmsghdr *nlh = table_message(buffer, "talpid", NFT_TABLE_COMMENT);
        size_t size = nlh->nlmsg_len;
        uint32_t generation;
        NftTableInfo info;

        for (size_t cut = NLMSG_HDRLEN; cut <= size; cut++)
                for (size_t at = NLMSG_HDRLEN; at < cut; at++) {
                        g_autofree struct nlmsghdr *copy = g_memdup2(buffer, cut);

                        copy->nlmsg_len = (uint32_t)cut;
                        ((uint8_t *)copy)[at] ^= 0xff;
                        (void)nft_message_decode_table(copy, &info);
                        (void)nft_message_is_about_us(copy);
                        copy->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN;
                        (void)nft_message_decode_generation(copy, &generation);
                }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nft-codec/begins-by-taking-the-old-table-away",
                begins_by_taking_the_old_table_away);
        g_test_add_func(
                "/nft-codec/removes-the-table-without-a-base", removes_the_table_without_a_base);
        g_test_add_func("/nft-codec/probe-has-no-end", probe_has_no_end);
        g_test_add_func(
                "/nft-codec/refuses-what-no-table-can-hold", refuses_what_no_table_can_hold);
        g_test_add_func("/nft-codec/knows-its-table-by-name-and-comment",
                knows_its_table_by_name_and_comment);
        g_test_add_func(
                "/nft-codec/survives-cut-and-changed-messages", survives_cut_and_changed_messages);
        return g_test_run();
}
