// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/neighbour-codec.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "backends/netlink/nl-attr.h"

/* NUD_VALID of include/net/neighbour.h. */
#define STATES_VALID (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

int neighbour_decode(const struct nlmsghdr *nlh, Neighbour *ret) {
        const struct nlattr *attrs[NDA_LLADDR + 1];
        const struct ndmsg *header = NLMSG_DATA(nlh);
        Neighbour neighbour;

        if (nl_attr_parse_message(nlh, sizeof(*header), attrs, ARRAY_LENGTH(attrs)) < 0)
                return -EBADMSG;
        if ((header->ndm_family != AF_INET && header->ndm_family != AF_INET6) ||
                (header->ndm_flags & NTF_PROXY))
                return 0;
        if (header->ndm_ifindex <= 0 || !attrs[NDA_DST])
                return -EBADMSG;

        memset(&neighbour, 0, sizeof(neighbour));
        neighbour.ifindex = (uint32_t)header->ndm_ifindex;
        neighbour.state = header->ndm_state;
        if (nl_attr_address(attrs[NDA_DST], header->ndm_family, &neighbour.address) < 0)
                return -EBADMSG;
        if (attrs[NDA_LLADDR] && nl_attr_size(attrs[NDA_LLADDR]) <= MAC_MAX) {
                neighbour.mac.length = (uint8_t)nl_attr_size(attrs[NDA_LLADDR]);
                memcpy(neighbour.mac.bytes, nl_attr_payload(attrs[NDA_LLADDR]),
                        neighbour.mac.length);
        }

        *ret = neighbour;
        return 1;
}

bool neighbour_is_resolved(const Neighbour *neighbour) {
        return (neighbour->state & STATES_VALID) && neighbour->mac.length > 0;
}

static struct nlmsghdr *encode(void *buffer, uint32_t ifindex, const Address *address,
        uint16_t type, uint16_t flags, uint8_t neighbour_flags) {
        struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
        struct ndmsg *header;

        nlh->nlmsg_type = type;
        nlh->nlmsg_flags = flags;
        header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));
        header->ndm_family = address->family;
        header->ndm_ifindex = (int32_t)ifindex;
        header->ndm_flags = neighbour_flags;
        mnl_attr_put(nlh, NDA_DST, family_size_bytes(address->family), address->bytes);
        return nlh;
}

struct nlmsghdr *neighbour_encode_get(void *buffer, uint32_t ifindex, const Address *address) {
        return encode(buffer, ifindex, address, RTM_GETNEIGH, 0, 0);
}

struct nlmsghdr *neighbour_encode_use(void *buffer, uint32_t ifindex, const Address *address) {
        return encode(buffer, ifindex, address, RTM_NEWNEIGH, NLM_F_CREATE, NTF_USE);
}
