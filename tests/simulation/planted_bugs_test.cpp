// The simulator must see a bug that is there: each of these is planted by one substitution in one script (those in C++:
// CMakeLists.txt), and the invariants must be broken within a few seeds. An anchor that is not found exactly
// once fails, so that a bug cannot silently stop being planted when a script changes.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "core/scripts.hpp"
#include "simulation/world.hpp"

namespace flashsale::simulation {
namespace {

struct PlantedBug {
  const char* name;
  const char* script;
  const char* anchor;
  const char* replacement;
  const char* faults;  // the kinds of fault in which it shows; empty: all, as the seed draws them
};

constexpr PlantedBug kBugs[] = {
    {"no fence: a promoted replica sells on", "reserve",
     "if not find(info, '\\nmaster_replid:' .. m[7] .. '\\r', 1, true) then return "
     "refuse('fenced') end",
     "", "lag"},
    {"the fence finds the old history's id in master_replid2", "reserve", "'\\nmaster_replid:' .. m[7] .. '\\r'",
     "m[7]", "lag"},
    {"a batch that stalled in a proxy wins after its callers heard a timeout", "reserve",
     " or now > tonumber(A[3]) then return refuse('late', now)", " then return refuse('late', now)", "wire"},
    {"a gate of an old epoch is not told so", "reserve", "if m[6] ~= A[1] or m[13] ~= A[2] then",
     "if m[13] ~= A[2] then", "lag restart"},
    {"buyers that are gone are buyers without a limit", "reserve", "if guard ~= m[6] or m[8] ~= '' then",
     "if m[8] ~= '' then", "forget"},
    {"the limit is not looked at", "reserve", "held + want > limit[j] or count", "count", "database"},
    {"the stock is not looked at", "reserve", "elseif want > left[j] then letter = 's'", "elseif false then",
     "database"},
    {"the stock is left above zero, not above what is asked for", "reserve", "elseif want > left[j] then letter = 's'",
     "elseif left[j] < 1 then letter = 's'", "database"},
    {"a retry is a purchase of its own", "reserve",
     "if rec then s, e = find(rec, '\\n' .. request .. ' ', 1, true) end", "", "wire"},
    {"a request may change its mind", "reserve", "if tonumber(item) ~= j or tonumber(units) ~= want then letter = 'c'",
     "if false then letter = 'c'", "wire"},
    {"the quantity of a retry is compared as the text that it is", "reserve",
     "tonumber(units) ~= want then letter = 'c'", "units ~= want then letter = 'c'", "wire"},
    {"a journal that refuses an entry does not stop the sale", "reserve",
     "if added ~= id then return denied(added) or refuse('fenced', now) end", "", "refuse"},
    {"an order's place in its batch is not part of its name", "reserve", "id .. '.' .. index .. (", "id .. '.0' .. (",
     "wire"},
    {"a buyer may have any number of orders", "reserve", " or count >= orders_max", "", "crash"},
    {"an entry does not name the one before it", "reserve", "'link', A[4], ", "", "crash"},
    {"a hold that ran out can still be confirmed", "move",
     "elseif till ~= '' and now >= tonumber(till) then letter = 'E'", "", "database"},
    {"an order resolves as often as it is asked to", "move", "if state ~= 'r' then letter = string.upper(state)",
     "if false then", "wire"},
    {"a change of an order is not journalled", "move", "if x ~= id then return denied(x) or refuse('fenced', now) end",
     "", "refuse"},
    {"the journal is trimmed beyond the watermark", "settle", "call('XTRIM', KEYS[3], 'MINID', id)",
     "call('XTRIM', KEYS[3], 'MINID', A[1] .. '-' .. m[5])", "crash"},
    {"a restock counts as often as it is sent", "restock", "if done then\n", "if false then\n", "wire crash"},
    {"stock is lowered below what was sold", "restock", "if (becomes < booked and becomes < total) or ", "if ",
     "wire crash"},
    {"a look is answered on a history that is over, whatever its caller has heard of", "look",
     "if not find(info, '\\nmaster_replid:' .. m[7] .. '\\r', 1, true) then return "
     "refuse('fenced') end",
     "A[5] = '0'", "lag"},
    {"a hold is in its record alone, where no sweeper looks", "reserve", "if #z > 0 then call('ZADD'",
     "if false then call('ZADD'", "database"},
    {"a rebuild forgets the holds", "rebuild", "elseif A[4] == 'holds' then call('ZADD', KEYS[3], 'LT', unpack(A, 5))",
     "elseif A[4] == 'holds' then A[1] = A[1]", "restart forget"},
    {"units that come back still count against their buyer", "credit", "string.format('%d', held - units)", "held",
     "wire"},
    {"an entry's name has no epoch", "reserve", "local id, names = A[1] .. '-' .. seq, {}",
     "local id, names = '1-' .. seq, {}", "lag"},
    {"units come back for sale before the database has their return", "move", "      mine[buyer] = rec\n",
     "      mine[buyer] = rec\n"
     "      if to == 'g' then call('HSET', KEYS[1], 'booked:' .. item, string.format('%d', call('HGET', KEYS[1], "
     "'booked:' .. item) - units)) end\n",
     "crash"},
    {"a rebuild forgets all buyers of a chunk but the first", "rebuild",
     "if call('HSET', KEYS[2], unpack(A, 5)) ~= (#A - 4) / 2 then",
     "if call('HSET', KEYS[2], unpack(A, 5, 6)) == 0 then", "restart"},
    {"a rebuild forgets what a buyer won before", "rebuild",
     "if has[i] then A[2 * i + 4] =", "if false then A[2 * i + 4] =", "restart"},
    {"a rebuild counts what a buyer holds anew in each page", "rebuild", "return key .. format('%d', had + n)",
     "return key .. n", "restart"},
};

ScriptTexts plant(const PlantedBug& bug) {
  ScriptTexts texts = real_scripts();
  const core::Script& script = core::script(bug.script);
  std::string text(script.text);
  const auto at = text.find(bug.anchor);
  REQUIRE_MESSAGE(at != std::string::npos, "the anchor is gone from " << bug.script << ".lua: " << bug.anchor);
  REQUIRE_MESSAGE(text.find(bug.anchor, at + 1) == std::string::npos, "the anchor is there twice: " << bug.anchor);
  text.replace(at, std::string(bug.anchor).size(), bug.replacement);
  texts[std::string(script.sha1)] = std::move(text);
  return texts;
}

TEST_CASE("the simulator catches every bug that is planted in a script") {
  std::string table;
  for (const PlantedBug& bug : kBugs) {
    const ScriptTexts texts = plant(bug);
    int needed = 0;
    std::string what;
    for (int seed = 1; seed <= kPlantedSeedsMax && needed == 0; ++seed) {
      const Verdict verdict = run_world(static_cast<std::uint64_t>(seed), kPlantedSteps, texts, bug.faults);
      if (verdict.violations.empty()) continue;
      needed = seed;
      what = verdict.violations.front();
    }
    CHECK_MESSAGE(needed != 0, "not caught within " << kPlantedSeedsMax << " seeds: " << std::string(bug.name));
    table += fmt::format("  {:>3}  {}\n         {}\n", needed, bug.name, what);
  }
  MESSAGE("seeds needed:\n" << table);
}

}  // namespace
}  // namespace flashsale::simulation
