// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * Which signals of org.talpid.Routing are told to the person at the machine, and in what words.
 *
 * Pure. One id is one bubble: what comes later with it takes its place, so the two families of one
 * change are one notification.
 */

#include <glib.h>
#include <stdbool.h>

typedef struct News {
        const char *id;   /* constant */
        const char *icon; /* constant, name */
        char *title, *body;
} News;

/* @arguments: of the signal. Return: whether it is told; @ret is set then, and to be cleared. */
bool news_read(const char *signal, GVariant *arguments, News *ret);
void news_clear(News *news);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(News, news_clear)
