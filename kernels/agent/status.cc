// The status job: the present state of the device, from values that the system reports without work. It is
// cheap enough to run before every block of measurements.
#include "agent/jobs.h"
#include "agent/machine.h"

namespace edgefront {

Status RunStatus(const Json&, Reporter* reporter) {
  const Memory memory = ReadMemory();
  JsonWriter json;
  json.BeginObject().Key("temperatureC").NumberOrNull(TemperatureC()).Key("frequencyMhz").NumberOrNull(FrequencyMhz());
  json.Key("loadAverage").Number(LoadAverage()).Key("availableBytes").Unsigned(memory.available_bytes);
  json.Key("swapBytes").Unsigned(memory.swap_bytes).Key("bootId").String(BootId());
  json.EndObject();
  reporter->Result(json);
  return Status::Ok();
}

}  // namespace edgefront
