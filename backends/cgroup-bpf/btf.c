// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup-bpf/btf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include <linux/btf.h>

#include "backends/base/cleanup.h"

#define VMLINUX_PATH "/sys/kernel/btf/vmlinux"
#define VMLINUX_MAX (64u << 20)

typedef struct AskedTypes {
        struct btf_header header;
        struct {
                struct btf_type type;
                uint32_t encoding;
        } integer;
        struct {
                struct btf_type type;
                struct btf_array of;
        } array;
        char strings[4];
} AskedTypes;

const void *btf_of_asked(size_t *ret_size_bytes) {
        static const AskedTypes types = {
                .header = {
                        .magic = BTF_MAGIC,
                        .version = BTF_VERSION,
                        .hdr_len = sizeof(struct btf_header),
                        .type_len = offsetof(AskedTypes, strings) - sizeof(struct btf_header),
                        .str_off = offsetof(AskedTypes, strings) - sizeof(struct btf_header),
                        .str_len = 3,
                },
                .integer = {
                        /* name_off 1: "i"; an int must have a name */
                        .type = { .name_off = 1, .info = BTF_KIND_INT << 24, .size = 4 },
                        .encoding = 32,
                },
                .array = {
                        .type = { .info = BTF_KIND_ARRAY << 24 },
                        .of = { .type = BTF_ASKED_KEY, .index_type = BTF_ASKED_KEY,
                                .nelems = sizeof(BpfAsked) / 4 },
                },
                .strings = "\0i",
        };

        _Static_assert(sizeof(AskedTypes) == sizeof(struct btf_header) + 16 + 24 + 4, "no holes");
        *ret_size_bytes = offsetof(AskedTypes, strings) + 3;
        return &types;
}

typedef struct Reader {
        const uint8_t *types;
        size_t n_types; /* bytes */
        const char *strings;
        size_t n_strings; /* bytes; the last one is a NUL */
} Reader;

static int open_reader(const void *bytes, size_t size, Reader *ret) {
        struct btf_header h;
        size_t rest;

        if (size < sizeof(h))
                return -EBADMSG;
        memcpy(&h, bytes, sizeof(h));
        if (h.magic != BTF_MAGIC || h.version != BTF_VERSION || h.hdr_len < sizeof(h) ||
                h.hdr_len > size)
                return -EBADMSG;
        rest = size - h.hdr_len;
        if (h.type_off > rest || h.type_len > rest - h.type_off || h.str_off > rest ||
                h.str_len > rest - h.str_off || h.str_len == 0)
                return -EBADMSG;

        *ret = (Reader){
                .types = (const uint8_t *)bytes + h.hdr_len + h.type_off,
                .n_types = h.type_len,
                .strings = (const char *)bytes + h.hdr_len + h.str_off,
                .n_strings = h.str_len,
        };
        return ret->strings[ret->n_strings - 1] == '\0' ? 0 : -EBADMSG;
}

static bool has_name(const Reader *reader, uint32_t name_off, const char *name) {
        return name_off < reader->n_strings && strcmp(reader->strings + name_off, name) == 0;
}

/* Bytes behind the common part. Return: false for a kind that is not known. */
static bool size_behind(const struct btf_type *type, size_t *ret) {
        size_t n = BTF_INFO_VLEN(type->info);

        switch (BTF_INFO_KIND(type->info)) {
        case BTF_KIND_PTR:
        case BTF_KIND_FWD:
        case BTF_KIND_TYPEDEF:
        case BTF_KIND_VOLATILE:
        case BTF_KIND_CONST:
        case BTF_KIND_RESTRICT:
        case BTF_KIND_FUNC:
        case BTF_KIND_FLOAT:
        case BTF_KIND_TYPE_TAG:
                *ret = 0;
                return true;
        case BTF_KIND_INT:
        case BTF_KIND_VAR:
        case BTF_KIND_DECL_TAG:
                *ret = 4;
                return true;
        case BTF_KIND_ARRAY:
                *ret = sizeof(struct btf_array);
                return true;
        case BTF_KIND_ENUM:
        case BTF_KIND_FUNC_PROTO:
                *ret = n * 8;
                return true;
        case BTF_KIND_STRUCT:
        case BTF_KIND_UNION:
        case BTF_KIND_DATASEC:
        case BTF_KIND_ENUM64:
                *ret = n * 12;
                return true;
        default: /* the kernel's numbers, not ours */
                return false;
        }
}

/* Reads the two offsets from the members of struct bpf_sock_addr_kern. Return: how many. */
static unsigned find_members(const Reader *reader, const struct btf_type *type,
        const uint8_t *members, BpfUnixLayout *layout) {
        unsigned n_found = 0;

        for (size_t i = 0; i < BTF_INFO_VLEN(type->info); i++) {
                struct btf_member member;
                uint32_t offset;

                memcpy(&member, members + i * sizeof(member), sizeof(member));
                offset = BTF_INFO_KFLAG(type->info) ? BTF_MEMBER_BIT_OFFSET(member.offset)
                                                    : member.offset;
                if (offset / 8 > INT16_MAX)
                        continue;
                if (has_name(reader, member.name_off, "uaddr")) {
                        layout->address_offset = offset / 8;
                        n_found++;
                } else if (has_name(reader, member.name_off, "uaddrlen")) {
                        layout->length_offset = offset / 8;
                        n_found++;
                }
        }
        return n_found;
}

int btf_find_unix_layout(const void *bytes, size_t size_bytes, BpfUnixLayout *ret) {
        BpfUnixLayout layout = { 0 };
        bool has_struct = false;
        Reader reader;
        int r;

        r = open_reader(bytes, size_bytes, &reader);
        if (r < 0)
                return r;

        for (size_t at = 0, id = 1; at < reader.n_types; id++) {
                struct btf_type type;
                size_t behind;

                if (reader.n_types - at < sizeof(type))
                        return -EBADMSG;
                memcpy(&type, reader.types + at, sizeof(type));
                at += sizeof(type);
                if (!size_behind(&type, &behind) || behind > reader.n_types - at)
                        return -EBADMSG;

                if (BTF_INFO_KIND(type.info) == BTF_KIND_FUNC &&
                        has_name(&reader, type.name_off, "bpf_cast_to_kern_ctx"))
                        layout.cast_function_id = (uint32_t)id;
                else if (BTF_INFO_KIND(type.info) == BTF_KIND_STRUCT &&
                         has_name(&reader, type.name_off, "bpf_sock_addr_kern"))
                        has_struct = find_members(&reader, &type, reader.types + at, &layout) == 2;
                at += behind;
        }

        if (layout.cast_function_id == 0 || !has_struct)
                return -ENOENT;
        *ret = layout;
        return 0;
}

int btf_read_unix_layout(BpfUnixLayout *ret) {
        CLEANUP_FD int fd = open(VMLINUX_PATH, O_RDONLY | O_CLOEXEC);
        CLEANUP_FREE uint8_t *bytes = NULL;
        size_t n = 0, n_allocated = 0;

        if (fd < 0)
                return -errno;
        for (;;) {
                ssize_t k;

                if (n == n_allocated) {
                        uint8_t *more;

                        n_allocated = n_allocated > 0 ? n_allocated * 2 : 8u << 20;
                        if (n_allocated > VMLINUX_MAX)
                                return -EFBIG;
                        more = realloc(bytes, n_allocated);
                        if (!more)
                                return -ENOMEM;
                        bytes = more;
                }
                k = read(fd, bytes + n, n_allocated - n);
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t)k;
        }
        return btf_find_unix_layout(bytes, n, ret);
}
