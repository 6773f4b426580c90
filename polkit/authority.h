/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Asks polkit whether the sender of a message may do what it asks for.
 *
 * Nothing here waits. A handler calls authority_check() before it acts; when
 * the answer is not known yet the handler returns 1, and **the same message is
 * delivered again** once it is. The second pass reads, resolves and checks
 * everything afresh, for the world may have changed while a person typed, and
 * must come to the same question; a handler keeps no pointer over the wait.
 *
 * The subject is the unique bus name of the sender, its uid comes from the bus
 * daemon. Root may do everything, also where polkit is missing. Whatever else
 * goes wrong is a refusal.
 *
 * The uid is asked for asynchronously too. sd_bus_query_sender_creds() would
 * block this loop, and with it the healing of routes, on a busy bus daemon.
 */

#include <stddef.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "backends/base/cleanup.h"

typedef struct Authority Authority;

/* Questions that may wait for polkit at the same time, of one uid. */
#define AUTHORITY_PENDING_PER_UID_MAX 64

/* Messages of one sender whose uid is being asked for. dbus-daemon lets 128 calls wait. */
#define AUTHORITY_LOOKUPS_PER_SENDER_MAX 256

/* Actions in one authority_get_permissions(). */
#define AUTHORITY_ACTIONS_MAX 16

/**
 * authority_new() - start asking
 * @bus:        message bus connection, attached to an event loop; a reference is kept
 * @ret:        owned by the caller
 *
 * Return: 0; -EINVAL without an event loop; -ENOMEM.
 */
int authority_new(sd_bus *bus, Authority **ret);

/*
 * Closes open password dialogs, refuses the calls that wait, ends outstanding
 * permission questions with -ECANCELED. What it sends is queued: flush the bus
 * before closing it. Return: NULL.
 */
Authority *authority_free(Authority *authority);
DEFINE_CLEANUP(Authority *, authority_free)

/**
 * authority_check() - may the sender of @message do @action?
 * @message:    the method call being handled
 * @action:     polkit action id, see polkit/actions.h
 * @details:    key, value, …, NULL, for rules and messages; NULL for none
 * @ret_error:  set when refused, with the action and a remedy
 *
 * One message asks one question: asking about another action, or with other
 * details, on the second pass is a refusal.
 *
 * Return: 1 go on; 0 asked, return 1 from the handler and the message comes
 * again; negative errno refused, hand it on with the error: AccessDenied,
 * InteractiveAuthorizationRequired (polkit wants a password and the message
 * does not allow interaction), LimitsExceeded.
 */
int authority_check(Authority *authority, sd_bus_message *message, const char *action,
        const char *const *details, sd_bus_error *ret_error);

/**
 * authority_get_uid() - whose is @message?
 * @ret:        effective uid the sender connected to the bus with
 *
 * For methods that need a permission for some uids only, and for naming the
 * owner of an intent. After authority_check() gave 1 this gives 1 at once;
 * before it, the message may have to come again, as there.
 *
 * Return: 1; 0 asked, return 1 from the handler; negative errno refused.
 */
int authority_get_uid(
        Authority *authority, sd_bus_message *message, uid_t *ret, sd_bus_error *ret_error);

/*
 * The process that sent @message, after authority_get_uid() gave 1. For naming
 * it to people, and nothing else: it may be gone, or another by now. 0: not known.
 */
uint32_t authority_get_pid(Authority *authority, sd_bus_message *message);

typedef struct AuthorityPermission {
        const char *action;
        const char *answer; /* "yes", "auth" (a password would do), "no" */
} AuthorityPermission;

/*
 * @r is 0, or -ECANCELED when the sender left or the authority was freed;
 * there are no permissions then. They live as long as the call, which must not
 * free the authority.
 */
typedef void (*AuthorityPermissionsHandler)(sd_bus_message *message, int r,
        const AuthorityPermission *permissions, size_t n_permissions, void *userdata);

/**
 * authority_get_permissions() - what could the sender of @message do?
 * @actions:    NULL-terminated, at most AUTHORITY_ACTIONS_MAX; constants, not copied
 * @on_done:    called exactly once if 0 was returned, never from inside this call
 *
 * Never shows a dialog.
 *
 * Return: 0 asked; negative errno refused, nothing will be called.
 */
int authority_get_permissions(Authority *authority, sd_bus_message *message,
        const char *const *actions, AuthorityPermissionsHandler on_done, void *userdata,
        sd_bus_error *ret_error);

/* Messages that wait for an answer or for their second pass. Not idle while there are any. */
unsigned authority_n_pending(const Authority *authority);
