// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/text.h"

#include <stdint.h>
#include <string.h>

/* Length of the valid UTF-8 sequence (RFC 3629) that starts at @c; 0: none does. */
static size_t sequence_length(const unsigned char *c, size_t left) {
        uint32_t value;
        size_t n;

        if (c[0] < 0x80)
                return c[0] >= ' ' && c[0] != 0x7f;
        n = (c[0] & 0xe0) == 0xc0 ? 2 : (c[0] & 0xf0) == 0xe0 ? 3 : (c[0] & 0xf8) == 0xf0 ? 4 : 0;
        if (n == 0 || n > left)
                return 0;

        value = c[0] & (0x7fu >> n);
        for (size_t i = 1; i < n; i++) {
                if ((c[i] & 0xc0) != 0x80)
                        return 0;
                value = value << 6 | (c[i] & 0x3f);
        }
        if (value < 0xa0 || (n == 3 && value < 0x800) || (n == 4 && value < 0x10000) ||
                value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
                return 0; /* a C1 control, too long a form, no character, a surrogate */
        return n;
}

const char *text_clean(const char *text, char *ret, size_t size) {
        size_t length = strnlen(text, size - 1), n;
        const unsigned char *bytes = (const unsigned char *)text;
        size_t i = 0;

        while (i < length) {
                n = sequence_length(bytes + i, length - i);
                if (n == 0) {
                        ret[i++] = '?';
                        continue;
                }
                memcpy(ret + i, text + i, n);
                i += n;
        }
        ret[i] = '\0';
        return ret;
}
