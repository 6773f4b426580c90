// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * Applications: processes put together by their units, and which of them were taken out.
 *
 * Pure. An application's key is the same as long as it runs. Own ones come first, each part sorted
 * by title; APPS_MAX at most.
 */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#define APPS_MAX 256

typedef enum AppsWay {
        APPS_LISTED_NOT,
        APPS_LISTED_PARTLY,
        APPS_LISTED,
} AppsWay;

typedef struct App {
        char *key;         /* "1000:user:app-gnome-firefox-812.scope" */
        char *unit;        /* its unit; in a session without units that of the session */
        char *application; /* id by the unit's name; NULL */
        char *program;     /* of its first process */
        char *title;       /* as shown; of the desktop entry where there is one */
        char *icon;        /* name or path; NULL */
        bool is_own;
        AppsWay way;
        GArray *pids;      /* of pid_t: all of its processes */
        GArray *roots;     /* of pid_t: those that none of the others started */
        GPtrArray *listed; /* of Listed, borrowed: what has to be undone to bring it back */
} App;

/* Who ListProcesses says is taken out. */
typedef struct Listed {
        pid_t pid;
        char *by;    /* "process", or the kind of the selector */
        char *value; /* of the selector; NULL */
} Listed;

/* Looks up what the desktop calls it. @application and @program may be NULL. Return: whether it
 * does; the caller frees title and icon. */
typedef bool (*AppsLookup)(const char *application, const char *program, char **ret_title,
        char **ret_icon, void *user);

/* @reply: of ListProcesses, aa{sv}. Return: an array of Listed that frees its elements. */
GPtrArray *apps_read_listed(GVariant *reply);

/**
 * apps_group() - put processes together
 * @processes:  of Process
 * @listed:     of Listed; has to outlive the applications
 * @own:        whose applications come first
 *
 * Left out: a user's services and session processes that no desktop entry knows, unless they are
 * listed, or were started by systemd-run(1); and the service, which takes itself out of nothing.
 *
 * Return: an array of App that frees its elements.
 */
GPtrArray *apps_group(
        GPtrArray *processes, GPtrArray *listed, uid_t own, AppsLookup lookup, void *user);

/* Return: borrowed; NULL */
App *apps_find(GPtrArray *apps, const char *key);
