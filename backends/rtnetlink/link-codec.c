// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/link-codec.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "backends/netlink/nl-attr.h"

/* A kind longer than we know of is one we need not tell apart: kept shortened. */
static int decode_kind(const struct nlattr *info, char ret[static LINK_KIND_MAX]) {
        const struct nlattr *attrs[IFLA_INFO_KIND + 1];
        char kind[64] = "";

        if (nl_attr_parse_nested(info, attrs, ARRAY_LENGTH(attrs)) < 0 ||
                nl_attr_string(attrs[IFLA_INFO_KIND], kind, sizeof(kind)) < 0)
                return -EBADMSG;
        memcpy(ret, kind, LINK_KIND_MAX - 1);
        return 0;
}

static void decode_mac(const struct nlattr *attr, Mac *ret) {
        if (!attr || nl_attr_size(attr) > MAC_MAX)
                return;
        ret->length = (uint8_t)nl_attr_size(attr);
        memcpy(ret->bytes, nl_attr_payload(attr), ret->length);
}

int link_decode(const struct nlmsghdr *nlh, Link *ret) {
        const struct nlattr *attrs[IFLA_LINKINFO + 1];
        const struct ifinfomsg *header = NLMSG_DATA(nlh);
        Link link;

        if (nl_attr_parse_message(nlh, sizeof(*header), attrs, ARRAY_LENGTH(attrs)) < 0 ||
                header->ifi_index <= 0)
                return -EBADMSG;
        if (header->ifi_family != AF_UNSPEC)
                return 0;

        memset(&link, 0, sizeof(link)); /* padding too: links are compared as bytes */
        link.ifindex = (uint32_t)header->ifi_index;
        link.flags = header->ifi_flags;
        link.type = header->ifi_type;
        decode_mac(attrs[IFLA_ADDRESS], &link.mac);
        if (nl_attr_string(attrs[IFLA_IFNAME], link.name, sizeof(link.name)) < 0 ||
                nl_attr_u32(attrs[IFLA_MTU], &link.mtu) < 0 ||
                decode_kind(attrs[IFLA_LINKINFO], link.kind) < 0)
                return -EBADMSG;

        memcpy(ret, &link, sizeof(link));
        return 1;
}

/*
 * IFA_ADDRESS is the prefix's address and, where IFA_LOCAL says something
 * else, the peer's; IPv6 leaves IFA_LOCAL out when there is no peer.
 */
int link_address_decode(const struct nlmsghdr *nlh, LinkAddress *ret) {
        const struct nlattr *attrs[IFA_FLAGS + 1];
        const struct ifaddrmsg *header = NLMSG_DATA(nlh);
        LinkAddress address = { 0 };
        Address prefix = { 0 };

        if (nl_attr_parse_message(nlh, sizeof(*header), attrs, ARRAY_LENGTH(attrs)) < 0)
                return -EBADMSG;
        if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6)
                return 0;
        if (header->ifa_index == 0 || header->ifa_prefixlen > family_size_bits(header->ifa_family))
                return -EBADMSG;

        address.ifindex = header->ifa_index;
        address.length = header->ifa_prefixlen;
        address.scope = header->ifa_scope;
        address.flags = header->ifa_flags;
        if (nl_attr_address(attrs[IFA_ADDRESS], header->ifa_family, &prefix) < 0 ||
                nl_attr_address(attrs[IFA_LOCAL], header->ifa_family, &address.address) < 0 ||
                nl_attr_u32(attrs[IFA_FLAGS], &address.flags) < 0)
                return -EBADMSG;

        if (!address_is_set(&address.address))
                address.address = prefix;
        else if (address_is_set(&prefix) && address_compare(&prefix, &address.address) != 0)
                address.peer = prefix;
        if (!address_is_set(&address.address))
                return -EBADMSG;

        *ret = address;
        return 1;
}
