/**
 * What Redis does for a history: a list of entries and a string `<n>.<tag>` per room. Both are written by scripts only,
 * so that keeping and publishing are one act. Tags come from the caller: Lua's random numbers repeat after a restart.
 */
import { scriptOf } from './script.js';

/** Anything but a position is no position: the room begins again, and everyone is told. */
const PARSE = `
local function parse(text)
  local n, tag = string.match(text or '', '^(%d+)%.([%w_-]+)$')
  if n and #n <= 15 and #tag == 6 and n ~= '999999999999999' then return tonumber(n), tag end
end`;

/**
 * KEYS for each entry: list, position, key or the list once more. ARGV: PUBLISH or SPUBLISH, then for each entry:
 * channel, tag, size, age in ms, time of the key in ms or 0, bytes. An error of one entry is its result: `!<error>`;
 * otherwise `<n>.<tag>.<tag before>`, after `=` for a known key. RPUSH is the first write: it fails when memory is full.
 * The position is written last of the room: a script that ends before leaves no hole.
 */
export const APPEND = scriptOf(`${PARSE}
local function append(list, top, key, channel, tag, size, age, keyTime, bytes)
  local known = keyTime ~= '0' and redis.call('GET', key)
  if known then return '=' .. known end
  local n, before = parse(redis.call('GET', top))
  if n then n = n + 1 else n, before = 1, string.reverse(tag) end
  local position = string.format('%.0f', n) .. '.' .. tag
  local head = position .. '.' .. before
  local entry = head .. ' ' .. bytes
  local length = redis.call('RPUSH', list, entry)
  if n == 1 and length > 1 then redis.call('LTRIM', list, -1, -1)
  elseif length == size + 1 then redis.call('LPOP', list)
  elseif length > size then redis.call('LTRIM', list, length - size, -1) end
  redis.call('PEXPIRE', list, age)
  redis.call('SET', top, position, 'PX', string.format('%.0f', age + 86400000))
  if keyTime ~= '0' then redis.call('SET', key, head, 'PX', keyTime) end
  redis.call(ARGV[1], channel, entry)
  return head
end
local results = {}
for i = 0, #KEYS / 3 - 1 do
  local k, a = i * 3, 1 + i * 6
  local done, result = pcall(append, KEYS[k+1], KEYS[k+2], KEYS[k+3], ARGV[a+1], ARGV[a+2], tonumber(ARGV[a+3]),
    tonumber(ARGV[a+4]), ARGV[a+5], ARGV[a+6])
  if not done then result = '!' .. (type(result) == 'table' and result.err or tostring(result)) end
  results[i+1] = result
end
return results`);

/**
 * KEYS: list, position. ARGV: after or nothing, limit, the most bytes, a tag. Returns the position and the entries. A
 * list whose end is not the position belongs to another time of the room.
 */
export const READ = scriptOf(`${PARSE}
local top = redis.call('GET', KEYS[2])
local n = parse(top)
if not n then
  top = '0.' .. ARGV[4]
  redis.call('SET', KEYS[2], top, 'PX', 86400000)
  return { top }
end
local length, limit, most = redis.call('LLEN', KEYS[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if length == 0 or limit == 0 then return { top } end
local last = redis.call('LINDEX', KEYS[1], -1)
if string.sub(last, 1, #top + 1) ~= top .. '.' then return { top } end
local from, to = math.max(0, length - limit), length - 1
if ARGV[1] ~= '' then
  from = math.max(0, tonumber(ARGV[1]) - n + length)
  to = math.min(to, from + limit - 1)
end
local entries = from <= to and redis.call('LRANGE', KEYS[1], from, to) or {}
local step, first, bytes, answer = 1, 1, 0, { top }
if ARGV[1] == '' then step, first = -1, #entries end
local kept = 0
for i = first, #entries + 1 - first, step do
  bytes = bytes + #entries[i]
  if bytes > most and kept > 0 then break end
  kept = kept + 1
end
if step == 1 then for i = 1, kept do answer[i+1] = entries[i] end
else for i = 1, kept do answer[i+1] = entries[#entries - kept + i] end end
return answer`);

/** KEYS: positions. ARGV: 1 to keep each for at least a day more, or 0. */
export const TOP = scriptOf(`
if ARGV[1] == '1' then
  for _, key in ipairs(KEYS) do
    local left = redis.call('PTTL', key)
    if left >= 0 and left < 86400000 then redis.call('PEXPIRE', key, 86400000) end
  end
end
return redis.call('MGET', unpack(KEYS))`);

/** What a link with a history loads on every connection. */
export const HISTORY_SCRIPTS = [APPEND, READ, TOP] as const;
