// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/nexthop-codec.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "backends/facts/route.h"
#include "backends/netlink/nl-attr.h"

static int decode_group(const struct nlattr *attr, Nexthop *ret) {
        struct nexthop_grp member;
        size_t n;

        if (!attr)
                return 0;
        if (nl_attr_size(attr) == 0 || nl_attr_size(attr) % sizeof(member) != 0)
                return -EBADMSG;
        n = nl_attr_size(attr) / sizeof(member);
        for (size_t i = 0; i < n && i < NEXTHOP_MEMBERS_MAX; i++) {
                memcpy(&member, (const char *)nl_attr_payload(attr) + i * sizeof(member),
                        sizeof(member));
                ret->members[ret->n_members++] = member.id;
        }
        return 0;
}

int nexthop_decode(const struct nlmsghdr *nlh, Nexthop *ret) {
        const struct nlattr *attrs[NHA_GATEWAY + 1];
        const struct nhmsg *header = NLMSG_DATA(nlh);
        Nexthop nexthop = { 0 };

        if (nl_attr_parse_message(nlh, sizeof(*header), attrs, ARRAY_LENGTH(attrs)) < 0)
                return -EBADMSG;

        nexthop.onlink = header->nh_flags & RTNH_F_ONLINK;
        nexthop.is_blackhole = attrs[NHA_BLACKHOLE];
        if (header->nh_flags & RTNH_F_DEAD)
                nexthop.status |= ROUTE_STATUS_DEAD;
        if (header->nh_flags & RTNH_F_LINKDOWN)
                nexthop.status |= ROUTE_STATUS_LINKDOWN;

        if (nl_attr_u32(attrs[NHA_ID], &nexthop.id) < 0 || nexthop.id == 0 ||
                nl_attr_u32(attrs[NHA_OIF], &nexthop.ifindex) < 0 ||
                nl_attr_address(attrs[NHA_GATEWAY], header->nh_family, &nexthop.gateway) < 0 ||
                decode_group(attrs[NHA_GROUP], &nexthop) < 0)
                return -EBADMSG;

        *ret = nexthop;
        return 1;
}

struct nlmsghdr *nexthop_encode_get(void *buffer, uint32_t id) {
        struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
        struct nhmsg *header;

        nlh->nlmsg_type = RTM_GETNEXTHOP;
        header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));
        header->nh_family = AF_UNSPEC;
        mnl_attr_put_u32(nlh, NHA_ID, id);
        return nlh;
}
