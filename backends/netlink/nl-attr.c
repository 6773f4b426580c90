// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/netlink/nl-attr.h"

#include <errno.h>
#include <string.h>

int nl_attr_parse(const void *start, size_t size, const struct nlattr **table, size_t n) {
        const char *at = start;
        int n_unknown = 0;

        memset(table, 0, n * sizeof(*table));
        while (size > 0) {
                const struct nlattr *attr = (const struct nlattr *)at;
                size_t length, step;
                unsigned type;

                if (size < sizeof(*attr))
                        return -EBADMSG;
                length = attr->nla_len;
                if (length < sizeof(*attr) || length > size)
                        return -EBADMSG;

                type = attr->nla_type & NLA_TYPE_MASK;
                if (type < n)
                        table[type] = attr;
                else
                        n_unknown++;

                step = NLA_ALIGN(length);
                if (step >= size) /* the last one need not be padded */
                        break;
                at += step;
                size -= step;
        }
        return n_unknown;
}

int nl_attr_parse_message(
        const struct nlmsghdr *nlh, size_t header_size, const struct nlattr **table, size_t n) {
        size_t start = NLMSG_LENGTH(NLMSG_ALIGN(header_size));

        if (nlh->nlmsg_len < NLMSG_LENGTH(header_size))
                return -EBADMSG;
        if (nlh->nlmsg_len <= start)
                return nl_attr_parse(NULL, 0, table, n);
        return nl_attr_parse((const char *)nlh + start, nlh->nlmsg_len - start, table, n);
}

int nl_attr_parse_nested(const struct nlattr *attr, const struct nlattr **table, size_t n) {
        if (!attr)
                return nl_attr_parse(NULL, 0, table, n);
        return nl_attr_parse(nl_attr_payload(attr), nl_attr_size(attr), table, n);
}

size_t nl_attr_size(const struct nlattr *attr) {
        return attr->nla_len - NLA_HDRLEN;
}

const void *nl_attr_payload(const struct nlattr *attr) {
        return (const char *)attr + NLA_HDRLEN;
}

/* Integers may be followed by nothing: another size is another format. */
static int copy_exactly(const struct nlattr *attr, void *ret, size_t size) {
        if (!attr)
                return 0;
        if (nl_attr_size(attr) != size)
                return -EBADMSG;
        memcpy(ret, nl_attr_payload(attr), size);
        return 0;
}

int nl_attr_u8(const struct nlattr *attr, uint8_t *ret) {
        return copy_exactly(attr, ret, sizeof(*ret));
}

int nl_attr_u32(const struct nlattr *attr, uint32_t *ret) {
        return copy_exactly(attr, ret, sizeof(*ret));
}

int nl_attr_address(const struct nlattr *attr, int family, Address *ret) {
        Address address = { .family = (uint8_t)family };
        size_t size = family_size_bytes(family);

        if (!attr)
                return 0;
        if (size == 0 || nl_attr_size(attr) != size)
                return -EBADMSG;
        memcpy(address.bytes, nl_attr_payload(attr), size);
        *ret = address;
        return 0;
}

int nl_attr_string(const struct nlattr *attr, char *ret, size_t size) {
        size_t length;

        if (!attr)
                return 0;
        length = strnlen(nl_attr_payload(attr), nl_attr_size(attr));
        if (length >= size)
                return -EBADMSG;
        memcpy(ret, nl_attr_payload(attr), length);
        ret[length] = '\0';
        return 0;
}
