// The status job: the present state of the device, from values that the system reports without work. It is
// cheap enough to run before every block of measurements.
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
