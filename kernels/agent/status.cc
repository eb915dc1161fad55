// The status job: how the device is right now, from what the system tells without work. Cheap enough to ask before every block.
#include <optional>

#include "agent/jobs.h"
#include "agent/machine.h"

namespace edgefront {
namespace {

void WriteOptional(const char* key, std::optional<double> value, JsonWriter* json) {
  json->Key(key);
  if (value) {
    json->Number(*value);
  } else {
    json->Null();
  }
}

}  // namespace

Status RunStatus(const Json&, Reporter* reporter) {
  const Memory memory = ReadMemory();
  JsonWriter json;
  json.BeginObject();
  WriteOptional("temperatureC", TemperatureC(), &json);
  WriteOptional("frequencyMhz", FrequencyMhz(), &json);
  json.Key("loadAverage").Number(LoadAverage()).Key("availableBytes").Unsigned(memory.available_bytes);
  json.Key("swapBytes").Unsigned(memory.swap_bytes).Key("bootId").String(BootId());
  json.EndObject();
  reporter->Result(json);
  return Status::Ok();
}

}  // namespace edgefront
