// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup2/cgroup-path.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static int check_component(const char *name, size_t length) {
        if (length == 0 || (length == 1 && name[0] == '.') ||
                (length == 2 && name[0] == '.' && name[1] == '.'))
                return -EINVAL;
        if (length > NAME_MAX)
                return -ENAMETOOLONG;
        for (size_t i = 0; i < length; i++)
                if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
                        return -EINVAL;
        return 0;
}

int cgroup_path_check(const char *path) {
        unsigned level = 0;

        if (path[0] == '\0')
                return 0;
        if (strnlen(path, PATH_MAX) == PATH_MAX)
                return -ENAMETOOLONG;
        for (;;) {
                size_t length = strcspn(path, "/");
                int r = check_component(path, length);

                if (r < 0)
                        return r;
                if (++level > CGROUP_PATH_LEVEL_MAX)
                        return -E2BIG;
                if (path[length] == '\0')
                        return 0;
                path += length + 1;
        }
}

uint32_t cgroup_path_level(const char *path) {
        uint32_t level = path[0] != '\0';

        for (; *path; path++)
                level += *path == '/';
        return level;
}

size_t cgroup_path_parent_length(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? (size_t)(slash - path) : 0;
}

const char *cgroup_path_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

int cgroup_path_join(const char *parent, const char *name, char ret[static PATH_MAX]) {
        size_t length = strlen(parent), n = strlen(name);

        if (length + 1 + n >= PATH_MAX)
                return -ENAMETOOLONG;
        memmove(ret, parent, length);
        if (length > 0)
                ret[length++] = '/';
        memcpy(ret + length, name, n + 1);
        return 0;
}

static bool is_name(const char *component, size_t length, const char *name) {
        return strlen(name) == length && memcmp(component, name, length) == 0;
}

int cgroup_path_find_our_name(const char *path, size_t from, size_t *ret_length) {
        size_t at = from;

        at += path[at] == '/';
        while (path[at]) {
                size_t length = strcspn(path + at, "/");

                if (is_name(path + at, length, CGROUP_PATH_EXCLUDED) ||
                        is_name(path + at, length, CGROUP_PATH_INCLUDED)) {
                        *ret_length = at + length;
                        return 1;
                }
                at += length;
                at += path[at] == '/';
        }
        return 0;
}
