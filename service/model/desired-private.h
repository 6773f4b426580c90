/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What split tunnelling and the guard both have to know of a view.
 */

#include "service/model/desired.h"

/* Whether what is listed uses the tunnel alone, and all else the open network. */
bool desired_is_include(const DesiredView *view);

/*
 * Whether somebody is listed who cannot be told from the others. In include mode
 * nobody may use the open network then: it could be them.
 */
bool desired_is_blind(const DesiredView *view);

/* Whether questions of groups to port 53 are turned to the resolvers of the view. */
bool desired_resolves(const DesiredView *view);
