// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "bus/reply.hpp"
#include "operations/queries.hpp"

namespace gpuctl {

/// What a query's worker wrote becomes the reply: a JSON array of objects as aa{sv} ...
Queries::Answer problems_to(Reply<std::vector<wire::Dict>> reply);
/// ... one JSON object as a{sv} ...
Queries::Answer dict_to(Reply<wire::Dict> reply);
/// ... or text as it is.
Queries::Answer text_to(Reply<std::string> reply);

}  // namespace gpuctl
