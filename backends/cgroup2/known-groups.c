// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup2/known-groups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "backends/base/log.h"
#include "backends/cgroup2/cgroup-path.h"
#include "backends/cgroup2/cgroup-tree.h"

#define BUFFER_SIZE ((size_t)16 * 1024) /* of events per read */

struct KnownGroups {
        int root; /* borrowed */
        int inotify;
        sd_event_source *source;
        void (*on_changed)(void *userdata);
        void *userdata;
        Array listed;  /* of char *, sorted */
        Array above;   /* of char *: directories that are watched and exist */
        Array watches; /* of int, sorted: theirs */
        Array known;   /* of KnownGroup, sorted */
        bool is_full;
        char *buffer; /* BUFFER_SIZE */
};

/* What a look found; takes the place of the last one as a whole. */
typedef struct Look {
        Array above;   /* of char * */
        Array watches; /* of int */
        Array known;   /* of KnownGroup */
        Array beside;  /* of KnownGroup, as far as there is room */
        bool is_full;
} Look;

static void clear_paths(Array *paths) {
        char **path;

        ARRAY_FOREACH(path, paths) {
                free(*path);
        }
        array_clear(paths);
}

static void look_clear(Look *look) {
        clear_paths(&look->above);
        array_clear(&look->watches);
        array_clear(&look->known);
        array_clear(&look->beside);
}

static int append_path(Array *paths, const char *path) {
        CLEANUP_FREE char *copy = strdup(path);

        if (!copy || !array_append(paths, &copy))
                return -ENOMEM;
        (void)TAKE(copy);
        return 0;
}

int known_groups_compare_paths(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

bool known_groups_is_listed(const Array *listed, const char *path) {
        char part[PATH_MAX];

        (void)snprintf(part, sizeof(part), "%s", path);
        for (;;) {
                const char *key = part;

                if (array_search(listed, &key, known_groups_compare_paths, NULL))
                        return true;
                if (part[0] == '\0')
                        return false;
                part[cgroup_path_parent_length(part)] = '\0';
        }
}

bool known_groups_is_above(const Array *listed, const char *path) {
        char below[PATH_MAX + 1];
        const char *key = below;
        size_t index, length;

        if (path[0] == '\0')
                return listed->n > 0;
        (void)snprintf(below, sizeof(below), "%s/", path);
        length = strlen(below);
        (void)array_search(listed, &key, known_groups_compare_paths, &index);
        return index < listed->n &&
               strncmp(*(char *const *)array_at(listed, index), below, length) == 0;
}

static int compare_ints(const void *a, const void *b) {
        return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

static int compare_known(const void *a, const void *b) {
        return known_group_compare_key(a, b);
}

/* What is new below a directory that cannot be watched is found when something else changes. */
static int watch_directory(const KnownGroups *groups, Look *look, int directory) {
        char path[64];
        int wd;

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", directory);
        wd = inotify_add_watch(groups->inotify, path,
                IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE | IN_ONLYDIR);
        if (wd < 0) {
                if (errno != ENOENT)
                        log_warning("Cannot watch for new control groups: %s", strerror(errno));
                return 0;
        }
        return array_append(&look->watches, &wd) ? 0 : -ENOMEM;
}

/* Return: 0; -ENOMEM. */
static int find_child(const KnownGroups *groups, Look *look, const char *path, uint64_t id) {
        const KnownGroup beside = { .id = id, .level = cgroup_path_level(path) };

        if (known_groups_is_listed(&groups->listed, path))
                return 0;
        if (known_groups_is_above(&groups->listed, path))
                return append_path(&look->above, path);
        if (look->beside.n == KNOWN_GROUPS_MAX) {
                look->is_full = true;
                return 0;
        }
        return array_append(&look->beside, &beside) ? 0 : -ENOMEM;
}

static DIR *open_children(int directory) {
        CLEANUP_FD int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *children = fd < 0 ? NULL : fdopendir(fd);

        if (children)
                (void)TAKE_FD(fd);
        return children;
}

static bool is_group(const struct dirent *entry) {
        return entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
               strcmp(entry->d_name, "..") != 0;
}

static int read_children(const KnownGroups *groups, Look *look, int directory, const char *path) {
        DIR *children = open_children(directory);
        const struct dirent *entry;
        char child[PATH_MAX];
        int r = 0;

        if (!children)
                return errno == ENOMEM ? -ENOMEM : 0; /* gone: the one above will tell */
        while (r >= 0 && (entry = readdir(children))) {
                if (is_group(entry) && cgroup_path_join(path, entry->d_name, child) >= 0)
                        r = find_child(groups, look, child, entry->d_ino);
        }
        (void)closedir(children);
        return r;
}

/* Return: 1; 0 it is gone; -ENOMEM. */
static int look_into(const KnownGroups *groups, Look *look, const char *path) {
        CLEANUP_FD int directory = cgroup_tree_open(groups->root, path);
        KnownGroup above = { .level = cgroup_path_level(path), .is_above = true };
        int r;

        if (directory < 0 || cgroup_tree_id(directory, &above.id) < 0)
                return directory == -ENOMEM ? -ENOMEM : 0;
        r = watch_directory(groups, look, directory);
        if (r >= 0)
                r = read_children(groups, look, directory, path);
        if (r < 0)
                return r;
        return array_append(&look->known, &above) ? 1 : -ENOMEM;
}

/* Those above come first: without one, everything below it would be new. */
static int look_around(const KnownGroups *groups, Look *look) {
        int r = groups->listed.n > 0 ? append_path(&look->above, "") : 0;

        for (size_t i = 0; r >= 0 && i < look->above.n; i++) {
                CLEANUP_FREE char *path = strdup(*(char **)array_at(&look->above, i));

                if (look->known.n == KNOWN_GROUPS_MAX) {
                        look->is_full = true;
                        break;
                }
                r = path ? look_into(groups, look, path) : -ENOMEM;
        }
        for (size_t i = 0; r >= 0 && i < look->beside.n; i++) {
                if (look->known.n == KNOWN_GROUPS_MAX) {
                        look->is_full = true;
                        break;
                }
                if (!array_append(&look->known, array_at(&look->beside, i)))
                        r = -ENOMEM;
        }
        if (r >= 0)
                r = array_sort(&look->known, compare_known);
        return r < 0 ? r : array_sort(&look->watches, compare_ints);
}

static bool is_same(const Array *a, const Array *b) {
        for (size_t i = 0; i < a->n && i < b->n; i++)
                if (known_group_compare_value(array_at(a, i), array_at(b, i)) != 0)
                        return false;
        return a->n == b->n;
}

/* Return: 1 the list is another; 0; negative errno, it is as it was. */
static int look_again(KnownGroups *groups) {
        Look look = { .above = ARRAY_INIT(char *),
                .watches = ARRAY_INIT(int),
                .known = ARRAY_INIT(KnownGroup),
                .beside = ARRAY_INIT(KnownGroup) };
        int r = look_around(groups, &look);
        bool is_other = !is_same(&look.known, &groups->known);
        const int *wd;

        if (r < 0) {
                look_clear(&look);
                return r;
        }
        ARRAY_FOREACH(wd, &groups->watches) {
                if (!array_search(&look.watches, wd, compare_ints, NULL))
                        (void)inotify_rm_watch(groups->inotify, *wd); /* it may have gone */
        }
        if (look.is_full && !groups->is_full)
                log_warning("More than %d control groups beside those that are listed: the rest "
                            "uses the tunnel, too",
                        KNOWN_GROUPS_MAX);
        groups->is_full = look.is_full;
        clear_paths(&groups->above);
        array_clear(&groups->watches);
        array_clear(&groups->known);
        array_clear(&look.beside);
        groups->above = look.above;
        groups->watches = look.watches;
        groups->known = look.known;
        return is_other;
}

/* What happened is not of interest: all is read again, after the last of the events. */
static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        KnownGroups *groups = userdata;
        int r;

        while (read(fd, groups->buffer, BUFFER_SIZE) > 0)
                ;
        r = look_again(groups);
        if (r < 0)
                log_error("Cannot look for new control groups: %s", strerror(-r));
        if (r > 0)
                groups->on_changed(groups->userdata);
        return 0;
}

int known_groups_new(sd_event *event, int root, void (*on_changed)(void *userdata), void *userdata,
        KnownGroups **ret) {
        CLEANUP(known_groups_free_p) KnownGroups *groups = calloc(1, sizeof(*groups));
        int r;

        if (!groups)
                return -ENOMEM;
        *groups = (KnownGroups){ .root = root,
                .inotify = -1,
                .on_changed = on_changed,
                .userdata = userdata,
                .listed = ARRAY_INIT(char *),
                .above = ARRAY_INIT(char *),
                .watches = ARRAY_INIT(int),
                .known = ARRAY_INIT(KnownGroup) };
        groups->buffer = malloc(BUFFER_SIZE);
        if (!groups->buffer)
                return -ENOMEM;
        groups->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (groups->inotify < 0)
                return -errno;
        r = sd_event_add_io(event, &groups->source, groups->inotify, EPOLLIN, on_io, groups);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(groups->source, "known-groups");
        *ret = TAKE(groups);
        return 0;
}

KnownGroups *known_groups_free(KnownGroups *groups) {
        if (!groups)
                return NULL;
        groups->source = sd_event_source_disable_unref(groups->source);
        groups->inotify = fd_close(groups->inotify);
        clear_paths(&groups->listed);
        clear_paths(&groups->above);
        array_clear(&groups->watches);
        array_clear(&groups->known);
        free(groups->buffer);
        free(groups);
        return NULL;
}

int known_groups_watch(KnownGroups *groups, const Array *paths) {
        Array listed = ARRAY_INIT(char *), before = groups->listed;
        const char *const *path;
        int r = 0;

        ARRAY_FOREACH(path, paths) {
                if (r >= 0)
                        r = append_path(&listed, *path);
        }
        if (r >= 0)
                r = array_sort(&listed, known_groups_compare_paths);
        if (r >= 0) {
                groups->listed = listed;
                r = look_again(groups);
        }
        if (r < 0) {
                groups->listed = before;
                clear_paths(&listed);
                return r;
        }
        clear_paths(&before);
        return r;
}

const Array *known_groups_list(const KnownGroups *groups) {
        return &groups->known;
}

static int find_name(int directory, uint64_t id, char ret[static NAME_MAX + 1]) {
        DIR *children = open_children(directory);
        const struct dirent *entry;
        int r = 0;

        if (!children)
                return -errno;
        while (r == 0 && (entry = readdir(children))) {
                if (!is_group(entry) || entry->d_ino != id)
                        continue;
                (void)snprintf(ret, NAME_MAX + 1, "%s", entry->d_name);
                r = 1;
        }
        (void)closedir(children);
        return r;
}

int known_groups_find_path(const KnownGroups *groups, uint64_t id, char ret[static PATH_MAX]) {
        char *const *above;

        ARRAY_FOREACH(above, &groups->above) {
                CLEANUP_FD int directory = cgroup_tree_open(groups->root, *above);
                char name[NAME_MAX + 1];
                uint64_t own;

                if (directory < 0)
                        continue;
                if (cgroup_tree_id(directory, &own) >= 0 && own == id) {
                        (void)snprintf(ret, PATH_MAX, "%s", *above);
                        return 1;
                }
                if (find_name(directory, id, name) > 0)
                        return cgroup_path_join(*above, name, ret) >= 0;
        }
        return 0;
}
