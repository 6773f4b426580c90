// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/proc/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "backends/proc/proc-file.h"

#define LINE_MAX_BYTES ((size_t)4 * PATH_MAX) /* an escaped path is up to four times as long */

/* A field of a line: it ends before the next blank. */
typedef struct Field {
        const char *start;
        size_t length;
} Field;

static bool take_field(const char **line, Field *ret) {
        *line += strspn(*line, " ");
        ret->start = *line;
        ret->length = strcspn(*line, " ");
        *line += ret->length;
        return ret->length > 0;
}

static bool field_is(const Field *field, const char *text) {
        return strlen(text) == field->length && memcmp(field->start, text, field->length) == 0;
}

/* Whether @word is one of the words of a list with commas. */
static bool list_has(const Field *list, const char *word) {
        const char *end = list->start + list->length;

        for (const char *p = list->start; p < end;) {
                const char *comma = memchr(p, ',', (size_t)(end - p));
                Field item = { p, (size_t)((comma ? comma : end) - p) };

                if (field_is(&item, word))
                        return true;
                p += item.length + 1;
        }
        return false;
}

static bool is_octal(char c) {
        return c >= '0' && c <= '7';
}

/* The kernel writes blank, tab, newline and backslash as three octal digits (mangle_path()). */
static int unescape(const Field *field, char *ret, size_t size) {
        size_t n = 0;

        for (size_t i = 0; i < field->length; i++) {
                char c = field->start[i];

                if (c == '\\' && field->length - i > 3 && is_octal(field->start[i + 1]) &&
                        is_octal(field->start[i + 2]) && is_octal(field->start[i + 3])) {
                        c = (char)((field->start[i + 1] - '0') * 64 +
                                   (field->start[i + 2] - '0') * 8 + (field->start[i + 3] - '0'));
                        i += 3;
                }
                if (c == '\0')
                        return -EBADMSG;
                if (n + 1 >= size)
                        return -ENAMETOOLONG;
                ret[n++] = c;
        }
        ret[n] = '\0';
        return 0;
}

int mountinfo_parse_line(const char *line, Mount *ret) {
        Field id, parent, device, root, point, options, optional, type, source, super;
        int r;

        if (!take_field(&line, &id) || !take_field(&line, &parent) || !take_field(&line, &device) ||
                !take_field(&line, &root) || !take_field(&line, &point) ||
                !take_field(&line, &options))
                return -EBADMSG;
        do
                if (!take_field(&line, &optional))
                        return -EBADMSG;
        while (!field_is(&optional, "-"));
        if (!take_field(&line, &type) || !take_field(&line, &source) || !take_field(&line, &super))
                return -EBADMSG;
        if (point.start[0] != '/')
                return -EBADMSG;

        r = unescape(&point, ret->point, sizeof(ret->point));
        if (r < 0)
                return r;
        ret->kind = field_is(&type, "cgroup2")                                 ? MOUNT_CGROUP2
                    : field_is(&type, "cgroup") && list_has(&super, "net_cls") ? MOUNT_NET_CLS
                                                                               : MOUNT_OTHER;
        ret->is_whole = field_is(&root, "/");
        ret->is_read_only = list_has(&options, "ro") || list_has(&super, "ro");
        return 0;
}

int mountinfo_next(const char **text, MountKind kind, Mount *ret) {
        while (**text) {
                CLEANUP_FREE char *line = NULL;
                size_t length = strcspn(*text, "\n");
                Mount mount;

                if (length < LINE_MAX_BYTES) {
                        line = strndup(*text, length);
                        if (!line)
                                return -ENOMEM;
                }
                *text += length;
                *text += **text == '\n';
                if (!line || mountinfo_parse_line(line, &mount) < 0)
                        continue;
                if (mount.kind == kind && mount.is_whole) {
                        *ret = mount;
                        return 1;
                }
        }
        return 0;
}

int mountinfo_read(char **ret) {
        return proc_file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_SIZE_MAX, ret);
}
