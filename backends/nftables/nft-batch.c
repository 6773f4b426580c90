// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/nftables/nft-batch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/base/cleanup.h"

/* The longest message is one of set elements, whose list stays below 64 KiB. */
#define MESSAGE_MAX ((size_t)128 * 1024)
#define USER_DATA_MAX 256 /* NFT_USERDATA_MAXLEN */

/* A transaction of 100,000 groups has 3 MiB. */
#define BATCH_MAX ((size_t)32 * 1024 * 1024)

static void user_data_free_p(struct nftnl_udata_buf **buffer) {
        if (*buffer)
                nftnl_udata_buf_free(*buffer);
}

void nft_batch_clear(NftBatch *batch) {
        free(batch->bytes);
        *batch = (NftBatch){ .table = batch->table };
}

void nft_batch_fail(NftBatch *batch, int error) {
        if (batch->error == 0)
                batch->error = error;
}

/* Room for one more message; its content is zero. Return: NULL when an error stuck. */
static char *reserve(NftBatch *batch) {
        size_t wanted = batch->size + MESSAGE_MAX;

        if (batch->error != 0)
                return NULL;
        if (wanted > batch->n_allocated) {
                size_t n = wanted + batch->n_allocated;
                uint8_t *bytes = n <= BATCH_MAX ? realloc(batch->bytes, n) : NULL;

                if (!bytes) {
                        nft_batch_fail(batch, -ENOMEM);
                        return NULL;
                }
                batch->bytes = bytes;
                batch->n_allocated = n;
        }
        batch->last = batch->size;
        batch->sequence++;
        return (char *)batch->bytes + batch->size;
}

static void commit(NftBatch *batch, const struct nlmsghdr *nlh) {
        batch->size += NLMSG_ALIGN(nlh->nlmsg_len);
}

static struct nlmsghdr *start(NftBatch *batch, uint16_t type, uint16_t flags) {
        char *room = reserve(batch);

        return room ? nftnl_nlmsg_build_hdr(room, type, NFPROTO_INET, flags, batch->sequence)
                    : NULL;
}

void nft_batch_begin(NftBatch *batch, uint32_t generation) {
        char *room = reserve(batch);
        struct nlmsghdr *nlh;

        if (!room)
                return;
        nlh = nftnl_batch_begin(room, batch->sequence);
        if (generation != 0)
                mnl_attr_put_u32(nlh, NFNL_BATCH_GENID, htonl(generation));
        commit(batch, nlh);
}

/* User data with one string in it, as nft reads comments. */
static struct nftnl_udata_buf *comment_data(NftBatch *batch, uint8_t type, const char *comment) {
        struct nftnl_udata_buf *data = nftnl_udata_buf_alloc(USER_DATA_MAX);

        if (!data || !nftnl_udata_put_strz(data, type, comment))
                nft_batch_fail(batch, data ? -EMSGSIZE : -ENOMEM);
        return data;
}

static void put_table(NftBatch *batch, uint16_t type, uint16_t flags, const char *comment) {
        CLEANUP(user_data_free_p) struct nftnl_udata_buf *data = NULL;
        struct nftnl_table *table = nftnl_table_alloc();
        struct nlmsghdr *nlh;

        if (!table) {
                nft_batch_fail(batch, -ENOMEM);
                return;
        }
        nftnl_table_set_str(table, NFTNL_TABLE_NAME, batch->table);
        if (comment)
                data = comment_data(batch, NFTNL_UDATA_TABLE_COMMENT, comment);
        if (data)
                nftnl_table_set_data(table, NFTNL_TABLE_USERDATA, nftnl_udata_buf_data(data),
                        nftnl_udata_buf_len(data));
        nlh = start(batch, type, flags);
        if (nlh) {
                nftnl_table_nlmsg_build_payload(nlh, table);
                commit(batch, nlh);
        }
        nftnl_table_free(table);
}

void nft_batch_add_table(NftBatch *batch, const char *comment) {
        put_table(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, comment);
}

void nft_batch_delete_table(NftBatch *batch) {
        put_table(batch, NFT_MSG_DELTABLE, 0, NULL);
}

void nft_batch_add_chain(
        NftBatch *batch, const char *name, const NftHook *hook, const char *comment) {
        CLEANUP(user_data_free_p)
        struct nftnl_udata_buf *data = comment_data(batch, NFTNL_UDATA_CHAIN_COMMENT, comment);
        struct nftnl_chain *chain = nftnl_chain_alloc();
        struct nlmsghdr *nlh;

        if (!chain) {
                nft_batch_fail(batch, -ENOMEM);
                return;
        }
        nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, batch->table);
        nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
        if (hook) {
                nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, hook->type);
                nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook->hook);
                nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, hook->priority);
                nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
        }
        if (data)
                nftnl_chain_set_data(chain, NFTNL_CHAIN_USERDATA, nftnl_udata_buf_data(data),
                        nftnl_udata_buf_len(data));
        nlh = start(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
        if (nlh) {
                nftnl_chain_nlmsg_build_payload(nlh, chain);
                commit(batch, nlh);
        }
        nftnl_chain_free(chain);
}

void nft_batch_add_set(
        NftBatch *batch, const char *name, const NftSetType *type, const char *comment) {
        CLEANUP(user_data_free_p)
        struct nftnl_udata_buf *data = nftnl_udata_buf_alloc(USER_DATA_MAX);
        struct nftnl_set *set = nftnl_set_alloc();
        struct nlmsghdr *nlh = NULL;

        if (!set || !data) {
                nft_batch_fail(batch, -ENOMEM);
                goto out;
        }
        if (!nftnl_udata_put_u32(data, NFTNL_UDATA_SET_KEYBYTEORDER, type->order) ||
                !nftnl_udata_put_strz(data, NFTNL_UDATA_SET_COMMENT, comment))
                nft_batch_fail(batch, -EMSGSIZE);
        nftnl_set_set_str(set, NFTNL_SET_TABLE, batch->table);
        nftnl_set_set_str(set, NFTNL_SET_NAME, name);
        nftnl_set_set_u32(set, NFTNL_SET_ID, batch->sequence); /* unique in the transaction */
        nftnl_set_set_u32(set, NFTNL_SET_FLAGS, type->flags);
        nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, type->nft_type);
        nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, type->key_size);
        if (type->timeout_msec)
                nftnl_set_set_u64(set, NFTNL_SET_TIMEOUT, type->timeout_msec);
        if (type->n_max)
                nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, type->n_max);
        nftnl_set_set_data(
                set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(data), nftnl_udata_buf_len(data));
        nlh = start(batch, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL);
        if (nlh) {
                nftnl_set_nlmsg_build_payload(nlh, set);
                commit(batch, nlh);
        }
out:
        if (set)
                nftnl_set_free(set);
}

void nft_batch_add_elements(NftBatch *batch, struct nftnl_set *elements) {
        struct nftnl_set_elems_iter *iterator;
        int more = 1;

        nftnl_set_set_str(elements, NFTNL_SET_TABLE, batch->table);
        iterator = nftnl_set_elems_iter_create(elements);
        if (!iterator)
                nft_batch_fail(batch, -ENOMEM);
        while (iterator && more > 0) {
                struct nlmsghdr *nlh = start(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL);

                if (!nlh)
                        break;
                more = nftnl_set_elems_nlmsg_build_payload_iter(nlh, iterator);
                commit(batch, nlh);
        }
        if (iterator)
                nftnl_set_elems_iter_destroy(iterator);
}

void nft_batch_add_rule(NftBatch *batch, struct nftnl_rule *rule, const char *comment) {
        CLEANUP(user_data_free_p)
        struct nftnl_udata_buf *data = comment_data(batch, NFTNL_UDATA_RULE_COMMENT, comment);
        struct nlmsghdr *nlh;

        nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, batch->table);
        nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
        if (data)
                nftnl_rule_set_data(rule, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(data),
                        nftnl_udata_buf_len(data));
        nlh = start(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
        if (nlh) {
                nftnl_rule_nlmsg_build_payload(nlh, rule);
                commit(batch, nlh);
        }
}

/* The ack is asked of the last message inside: before Linux 6.10 the end cannot give one. */
int nft_batch_finish_dry(NftBatch *batch) {
        if (batch->error == 0)
                ((struct nlmsghdr *)(batch->bytes + batch->last))->nlmsg_flags |= NLM_F_ACK;
        return batch->error;
}

int nft_batch_finish(NftBatch *batch) {
        uint32_t answered = batch->sequence;
        char *room;

        if (nft_batch_finish_dry(batch) < 0)
                return batch->error;
        room = reserve(batch);
        if (room) {
                commit(batch, nftnl_batch_end(room, batch->sequence));
                batch->sequence = answered;
        }
        return batch->error;
}
