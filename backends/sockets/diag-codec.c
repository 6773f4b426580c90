// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/sockets/diag-codec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

#include "backends/base/cleanup.h"
#include "backends/netlink/nl-attr.h"

static struct nlmsghdr *encode(void *buffer, uint16_t type, const SocketName *name) {
        struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
        struct inet_diag_req_v2 *request;
        size_t size = family_size_bytes(name->local.family);

        nlh->nlmsg_type = type;
        request = mnl_nlmsg_put_extra_header(nlh, sizeof(*request));
        request->sdiag_family = name->local.family;
        request->sdiag_protocol = name->protocol;
        request->idiag_states = UINT32_MAX;
        request->id.idiag_sport = htons(name->local_port);
        request->id.idiag_dport = htons(name->remote_port);
        memcpy(request->id.idiag_src, name->local.bytes, size);
        memcpy(request->id.idiag_dst, name->remote.bytes, size);
        request->id.idiag_if = name->ifindex;
        request->id.idiag_cookie[0] = (uint32_t)name->cookie;
        request->id.idiag_cookie[1] = (uint32_t)(name->cookie >> 32);
        return nlh;
}

struct nlmsghdr *diag_encode_destroy(void *buffer, const SocketName *name) {
        return encode(buffer, SOCK_DESTROY, name);
}

struct nlmsghdr *diag_encode_get(void *buffer, const SocketName *name) {
        return encode(buffer, SOCK_DIAG_BY_FAMILY, name);
}

int diag_decode(const struct nlmsghdr *nlh, SocketName *ret) {
        const struct nlattr *attributes[INET_DIAG_CGROUP_ID + 1], *born_in;
        const struct inet_diag_msg *message = NLMSG_DATA(nlh);
        SocketName name;
        size_t size;

        if (nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY)
                return 0;
        if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
                return -EBADMSG;
        if (message->idiag_family != AF_INET && message->idiag_family != AF_INET6)
                return 0;
        memset(&name, 0, sizeof(name));
        size = family_size_bytes(message->idiag_family);
        name.state = message->idiag_state;
        name.local.family = name.remote.family = message->idiag_family;
        memcpy(name.local.bytes, message->id.idiag_src, size);
        memcpy(name.remote.bytes, message->id.idiag_dst, size);
        name.local_port = ntohs(message->id.idiag_sport);
        name.remote_port = ntohs(message->id.idiag_dport);
        name.ifindex = message->id.idiag_if;
        name.cookie = message->id.idiag_cookie[0] | (uint64_t)message->id.idiag_cookie[1] << 32;
        if (nl_attr_parse_message(nlh, sizeof(*message), attributes, ARRAY_LENGTH(attributes)) < 0)
                return -EBADMSG;
        born_in = attributes[INET_DIAG_CGROUP_ID];
        if (born_in && nl_attr_size(born_in) == sizeof(name.cgroup))
                memcpy(&name.cgroup, nl_attr_payload(born_in), sizeof(name.cgroup));
        *ret = name;
        return 1;
}
