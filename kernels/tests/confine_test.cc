// Tests which names a confined agent accepts as data files.
#include <string>

#include "agent/confine.h"
#include "tests/test.h"

namespace edgefront {

TEST(confined_agent_takes_data_names_only) {
  for (const char* name : {"models/a.gguf", "files/0/b-c_d.efd", "models/1/2/3/4/5/6/7"}) CHECK_MSG(IsDataName(name), name);
  for (const std::string& name :
       {std::string("models"), std::string("models/"), std::string("agents/x"), std::string("../x"), std::string("models/../x"),
        std::string("models/.ssh"), std::string("/models/x"), std::string("models//x"), std::string("models/X"), std::string("models/a b"),
        std::string("models/a\0b", 10), std::string("models/1/2/3/4/5/6/7/8"), std::string(), "models/" + std::string(129, 'a')}) {
    CHECK_MSG(!IsDataName(name), name.c_str());
  }
  CHECK(CheckPath("/etc/passwd").ok());  // this process is not confined
}

}  // namespace edgefront
