// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/nftables/nft-message.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/base/cleanup.h"
#include "backends/netlink/nl-attr.h"
#include "backends/nftables/nft-batch.h"

/* NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_TABLE, …: all of this number. */
#define ATTR_TABLE NFTA_TABLE_NAME

static bool is_type(const struct nlmsghdr *nlh, uint16_t type) {
        return nlh->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | type);
}

/* Return: whether @attr is the name of our table. */
static bool is_our_name(const struct nlattr *attr) {
        char name[sizeof(NFT_TABLE_NAME)] = "";

        return attr && nl_attr_string(attr, name, sizeof(name)) == 0 &&
               strcmp(name, NFT_TABLE_NAME) == 0;
}

static bool is_inet(const struct nlmsghdr *nlh) {
        const struct nfgenmsg *header = NLMSG_DATA(nlh);

        return nlh->nlmsg_len >= NLMSG_LENGTH(sizeof(*header)) &&
               header->nfgen_family == NFPROTO_INET;
}

/* User data is a row of type, length and bytes; nft's comments are of type 0, ended by NUL. */
static bool has_our_comment(const struct nlattr *user_data) {
        const char *first = NFT_TABLE_COMMENT_FIRST;
        const uint8_t *bytes;
        size_t left;

        if (!user_data)
                return false;
        bytes = nl_attr_payload(user_data);
        left = nl_attr_size(user_data);
        while (left >= 2 && left - 2 >= bytes[1]) {
                if (bytes[0] == NFTNL_UDATA_TABLE_COMMENT)
                        return bytes[1] >= strlen(first) &&
                               memcmp(bytes + 2, first, strlen(first)) == 0;
                left -= 2u + bytes[1];
                bytes += 2u + bytes[1];
        }
        return false;
}

int nft_message_decode_table(const struct nlmsghdr *nlh, NftTableInfo *ret) {
        const struct nlattr *attrs[NFTA_TABLE_OWNER + 1] = { NULL };
        uint32_t be_holder = 0;
        uint64_t handle;

        if (!is_type(nlh, NFT_MSG_NEWTABLE))
                return 0;
        if (nl_attr_parse_message(nlh, sizeof(struct nfgenmsg), attrs, NFTA_TABLE_OWNER + 1) < 0)
                return -EBADMSG;
        if (!is_inet(nlh) || !is_our_name(attrs[NFTA_TABLE_NAME]))
                return 0;
        if (attrs[NFTA_TABLE_OWNER] && nl_attr_u32(attrs[NFTA_TABLE_OWNER], &be_holder) < 0)
                return -EBADMSG;
        if (!attrs[NFTA_TABLE_HANDLE] || nl_attr_size(attrs[NFTA_TABLE_HANDLE]) != sizeof(handle))
                return -EBADMSG;

        memcpy(&handle, nl_attr_payload(attrs[NFTA_TABLE_HANDLE]), sizeof(handle));
        *ret = (NftTableInfo){ .handle = be64toh(handle),
                .is_ours = be_holder == 0 && has_our_comment(attrs[NFTA_TABLE_USERDATA]),
                .holder = ntohl(be_holder) };
        return 1;
}

int nft_message_decode_generation(const struct nlmsghdr *nlh, uint32_t *ret) {
        const struct nlattr *attrs[NFTA_GEN_ID + 1] = { NULL };
        uint32_t be_id = 0;

        if (!is_type(nlh, NFT_MSG_NEWGEN))
                return 0;
        if (nl_attr_parse_message(nlh, sizeof(struct nfgenmsg), attrs, NFTA_GEN_ID + 1) < 0 ||
                nl_attr_u32(attrs[NFTA_GEN_ID], &be_id) < 0 || be_id == 0)
                return -EBADMSG;
        *ret = ntohl(be_id);
        return 1;
}

bool nft_message_is_about_us(const struct nlmsghdr *nlh) {
        const struct nlattr *attrs[ATTR_TABLE + 1] = { NULL };

        return nlh->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES && !is_type(nlh, NFT_MSG_NEWGEN) &&
               is_inet(nlh) &&
               nl_attr_parse_message(nlh, sizeof(struct nfgenmsg), attrs, ATTR_TABLE + 1) >= 0 &&
               is_our_name(attrs[ATTR_TABLE]);
}

struct nlmsghdr *nft_message_get_table(char buffer[static NFT_REQUEST_MAX]) {
        struct nlmsghdr *nlh =
                nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, NFPROTO_INET, NLM_F_ACK, 0);

        mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, NFT_TABLE_NAME);
        return nlh;
}

struct nlmsghdr *nft_message_get_generation(char buffer[static NFT_REQUEST_MAX]) {
        return nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETGEN, NFPROTO_UNSPEC, NLM_F_ACK, 0);
}

struct nlmsghdr *nft_message_get_elements(char buffer[static NFT_REQUEST_MAX], const char *set) {
        struct nlmsghdr *nlh =
                nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSETELEM, NFPROTO_INET, NLM_F_DUMP, 0);

        mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE_NAME);
        mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
        return nlh;
}

static int append_id(struct nftnl_set_elem *element, void *userdata) {
        uint32_t size = 0;
        const void *key = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &size);
        uint64_t id;

        if (!key || size != sizeof(id))
                return 0;
        memcpy(&id, key, sizeof(id));
        return array_append(userdata, &id) ? 0 : -1;
}

static void free_set(struct nftnl_set **set) {
        if (*set)
                nftnl_set_free(*set);
}

int nft_message_decode_groups(const struct nlmsghdr *nlh, Array *ids) {
        CLEANUP(free_set) struct nftnl_set *set = nftnl_set_alloc();

        if (!set)
                return -ENOMEM;
        if (!is_type(nlh, NFT_MSG_NEWSETELEM))
                return 0;
        if (nftnl_set_elems_nlmsg_parse(nlh, set) < 0)
                return -EBADMSG;
        return nftnl_set_elem_foreach(set, append_id, ids) < 0 ? -ENOMEM : 0;
}
