// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/netlink/nl-error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "backends/netlink/nl-attr.h"

#define ERROR_MAX 4095 /* MAX_ERRNO of include/linux/err.h */

int nl_fault_set(Fault *ret, int error, const char *text) {
        if (!ret)
                return error;

        *ret = (Fault){ .error = error };
        if (error != 0)
                (void)snprintf(ret->text, sizeof(ret->text), "%s",
                        text && *text ? text : strerror(-error));
        return error;
}

/*
 * Where the attributes start: behind the errno and, in NLMSG_ERROR, behind the
 * header of our message and, unless NLM_F_CAPPED, its payload. 0: none.
 */
static size_t attributes_offset(const struct nlmsghdr *nlh) {
        size_t offset = NLMSG_LENGTH(sizeof(int));
        const struct nlmsgerr *error;

        if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
                return 0;
        if (nlh->nlmsg_type == NLMSG_ERROR) {
                offset = NLMSG_LENGTH(sizeof(*error));
                if (nlh->nlmsg_len < offset)
                        return 0;
                error = NLMSG_DATA(nlh);
                if (!(nlh->nlmsg_flags & NLM_F_CAPPED)) {
                        if (error->msg.nlmsg_len < NLMSG_HDRLEN ||
                                error->msg.nlmsg_len > nlh->nlmsg_len)
                                return 0;
                        offset += NLMSG_ALIGN(error->msg.nlmsg_len - NLMSG_HDRLEN);
                }
        }
        return offset < nlh->nlmsg_len ? offset : 0;
}

int nl_error_decode(const struct nlmsghdr *nlh, Fault *ret) {
        const struct nlattr *attrs[NLMSGERR_ATTR_MSG + 1] = { NULL };
        char text[FAULT_TEXT_MAX] = "";
        size_t offset;
        int error;

        if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(error)))
                return nl_fault_set(ret, -EBADMSG, NULL);
        memcpy(&error, NLMSG_DATA(nlh), sizeof(error));
        if (error > 0 && nlh->nlmsg_type == NLMSG_DONE)
                error = 0; /* some dumps end with a count */
        if (error > 0 || error < -ERROR_MAX)
                return nl_fault_set(ret, -EBADMSG, NULL);

        offset = attributes_offset(nlh);
        if (error < 0 && offset > 0 &&
                nl_attr_parse((const char *)nlh + offset, nlh->nlmsg_len - offset, attrs,
                        ARRAY_LENGTH(attrs)) >= 0)
                (void)nl_attr_string(
                        attrs[NLMSGERR_ATTR_MSG], text, sizeof(text)); /* too long: errno's text */
        return nl_fault_set(ret, error, text);
}
