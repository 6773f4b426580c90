// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/rule-codec.h"

#include <assert.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "backends/netlink/nl-attr.h"

/* The attributes a Rule has a place for. */
static bool is_kept(unsigned type) {
        switch (type) {
        case FRA_DST:
        case FRA_SRC:
        case FRA_PRIORITY:
        case FRA_FWMARK:
        case FRA_FWMASK:
        case FRA_TABLE:
        case FRA_SUPPRESS_PREFIXLEN:
        case FRA_PROTOCOL:
        case FRA_UID_RANGE:
        case FRA_PAD:
                return true;
        default: /* the kernel's enumeration, which grows */
                return false;
        }
}

static bool is_exotic(
        const struct fib_rule_hdr *header, const struct nlattr **attrs, int n_unknown) {
        if (n_unknown > 0 || header->tos != 0)
                return true;
        for (unsigned type = 0; type <= FRA_MAX; type++)
                if (attrs[type] && !is_kept(type))
                        return true;
        return false;
}

/* Length 0 matches everything: no selector at all. */
static int decode_prefix(const struct nlattr *attr, int family, unsigned length, Prefix *ret) {
        Address address = { 0 };

        if (length > family_size_bits(family) || nl_attr_address(attr, family, &address) < 0)
                return -EBADMSG;
        if (length == 0)
                return 0;
        if (!address_is_set(&address))
                return -EBADMSG;
        *ret = prefix_of_address(&address, length);
        return 0;
}

/* One uid is kept; a wider range makes the rule exotic. */
static int decode_uid(const struct nlattr *attr, Rule *rule) {
        struct fib_rule_uid_range range;

        if (!attr)
                return 0;
        if (mnl_attr_get_payload_len(attr) < sizeof(range))
                return -EBADMSG;
        memcpy(&range, mnl_attr_get_payload(attr), sizeof(range));
        rule->has_uid = range.start == range.end;
        rule->uid = rule->has_uid ? range.start : 0;
        rule->exotic = rule->exotic || !rule->has_uid;
        return 0;
}

int rule_decode(const struct nlmsghdr *nlh, Rule *ret) {
        const struct nlattr *attrs[FRA_MAX + 1];
        const struct fib_rule_hdr *header = NLMSG_DATA(nlh);
        Rule rule = { .suppress_prefixlength = RULE_NO_SUPPRESS };
        int n_unknown;

        n_unknown = nl_attr_parse_message(nlh, sizeof(*header), attrs, ARRAY_LENGTH(attrs));
        if (n_unknown < 0)
                return -EBADMSG;
        if (header->family != AF_INET && header->family != AF_INET6)
                return 0;

        rule.family = header->family;
        rule.action = header->action;
        rule.table = header->table;
        rule.invert = header->flags & FIB_RULE_INVERT;
        rule.exotic = is_exotic(header, attrs, n_unknown);
        if (decode_prefix(attrs[FRA_SRC], rule.family, header->src_len, &rule.source) < 0 ||
                decode_prefix(attrs[FRA_DST], rule.family, header->dst_len, &rule.destination) <
                        0 ||
                nl_attr_u32(attrs[FRA_PRIORITY], &rule.priority) < 0 ||
                nl_attr_u32(attrs[FRA_FWMARK], &rule.mark) < 0 ||
                nl_attr_u32(attrs[FRA_FWMASK], &rule.mark_mask) < 0 ||
                nl_attr_u32(attrs[FRA_TABLE], &rule.table) < 0 ||
                nl_attr_u32(attrs[FRA_SUPPRESS_PREFIXLEN], &rule.suppress_prefixlength) < 0 ||
                nl_attr_u8(attrs[FRA_PROTOCOL], &rule.protocol) < 0 ||
                decode_uid(attrs[FRA_UID_RANGE], &rule) < 0)
                return -EBADMSG;

        *ret = rule;
        return 1;
}

static void put_prefix(struct nlmsghdr *nlh, uint16_t type, const Prefix *prefix) {
        if (prefix->length > 0)
                mnl_attr_put(nlh, type, family_size_bytes(prefix->family), prefix->bytes);
}

struct nlmsghdr *rule_encode(void *buffer, OperationVerb verb, const Rule *rule) {
        struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
        struct fib_rule_hdr *header;

        assert(!rule->exotic);

        nlh->nlmsg_type = verb == OPERATION_REMOVE ? RTM_DELRULE : RTM_NEWRULE;
        nlh->nlmsg_flags = verb == OPERATION_REMOVE ? 0 : NLM_F_CREATE | NLM_F_EXCL;

        header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));
        header->family = rule->family;
        header->action = rule->action;
        header->flags = rule->invert ? FIB_RULE_INVERT : 0;
        header->src_len = rule->source.length;
        header->dst_len = rule->destination.length;

        put_prefix(nlh, FRA_SRC, &rule->source);
        put_prefix(nlh, FRA_DST, &rule->destination);
        mnl_attr_put_u32(nlh, FRA_PRIORITY, rule->priority);
        if (rule->mark || rule->mark_mask) {
                mnl_attr_put_u32(nlh, FRA_FWMARK, rule->mark);
                mnl_attr_put_u32(nlh, FRA_FWMASK, rule->mark_mask);
        }
        if (rule->table != RT_TABLE_UNSPEC)
                mnl_attr_put_u32(nlh, FRA_TABLE, rule->table);
        if (rule->suppress_prefixlength != RULE_NO_SUPPRESS)
                mnl_attr_put_u32(nlh, FRA_SUPPRESS_PREFIXLEN, rule->suppress_prefixlength);
        if (rule->has_uid) {
                const struct fib_rule_uid_range range = { rule->uid, rule->uid };

                mnl_attr_put(nlh, FRA_UID_RANGE, sizeof(range), &range);
        }
        mnl_attr_put_u8(nlh, FRA_PROTOCOL, rule->protocol);
        return nlh;
}
