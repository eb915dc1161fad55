// Runs a statically linked x86-64 program on an emulated processor with AVX-512. Bochs boots an ISO image of
// a distribution's Linux kernel and an initramfs with the program and guest-init.c. The guest's clock counts
// instructions, so its times are not speeds.
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";

const FILES = {
  bios: "/usr/share/bochs/BIOS-bochs-latest",
  vga: "/usr/share/vgabios/vgabios.bin",
  loader: "/usr/lib/ISOLINUX/isolinux.bin",
  module: "/usr/lib/syslinux/modules/bios/ldlinux.c32",
};

// 20 million instructions per emulated second. With fewer, most go to the timer; with more, waiting for
// devices takes longer.
const INSTRUCTIONS_PER_SECOND = 20_000_000;

// The kernel's features on which this Bochs and this kernel disagree are disabled; the program is unchanged.
// Bochs 2.7 reports that it saves protection keys but not where, and gives compacted states a wrong size. It
// has fast short moves (fsrm) without fast moves (erms), and Linux 6.1 then moves less than 32 bytes wrongly.
// Other features are disabled only for speed: certificates, self-tests of cryptography, unused devices.
const KERNEL = [
  ...[
    "console=ttyS0",
    "quiet",
    "panic=-1",
    "reboot=t",
    "nosmp",
    "acpi=off",
    "nokaslr",
    "mitigations=off",
    "lsm=none",
  ],
  ...["noxsaves", "clearcpuid=pku,xsavec,xsaves,fsrm", `tsc_early_khz=${INSTRUCTIONS_PER_SECOND / 1000}`],
  ...["tsc=reliable", "no_timer_check", "random.trust_cpu=on", "cryptomgr.notests"],
  `initcall_blacklist=${[
    ...[
      "load_system_certificate_list",
      "trace_eval_init",
      "cubictcp_register",
      "init_kprobe_trace",
      "inet6_init",
    ],
    ...["cmos_init", "init_evm", "init_ima", "crypto_kdf108_init", "i8042_init"],
  ].join(",")}`,
];

/** A readable kernel: the named one, or one of /boot. */
function guestKernel(): string | undefined {
  if (process.env.EDGEFRONT_GUEST_KERNEL) return process.env.EDGEFRONT_GUEST_KERNEL;
  const found = existsSync("/boot") ? readdirSync("/boot").filter((name) => name.startsWith("vmlinuz-")) : [];
  return found.map((name) => join("/boot", name)).at(-1);
}

/** Returns what is missing for emulating AVX-512, and how to get it; null where nothing is missing. */
export function missingForBochs(): string | null {
  const programs = ["bochs", "xorriso", "script", "cc"].filter(
    (program) => !(process.env.PATH ?? "").split(":").some((folder) => existsSync(join(folder, program))),
  );
  const missing = [...programs, ...Object.values(FILES).filter((file) => !existsSync(file))];
  if (missing.length > 0)
    return `no ${missing[0]} to emulate AVX-512; install bochs bochs-term bochsbios vgabios isolinux syslinux-common xorriso`;
  const kernel = guestKernel();
  return kernel !== undefined && existsSync(kernel)
    ? null
    : "no Linux kernel to boot in Bochs; name one in $EDGEFRONT_GUEST_KERNEL";
}

interface GuestFile {
  readonly path: string;
  readonly mode: number;
  readonly data?: Buffer;
  /** Major and minor number of a device. */
  readonly device?: readonly [number, number];
}

/** An archive in the format that the kernel unpacks (cpio, "newc"). */
function initramfs(files: readonly GuestFile[]): Buffer {
  const padded = (data: Buffer) => Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
  const entries = [...files, { path: "TRAILER!!!", mode: 0 }].map((file: GuestFile, i) => {
    const { path, mode, data = Buffer.alloc(0), device = [0, 0] } = file;
    const name = Buffer.from(`${path}\0`);
    const numbers = [i + 1, mode, 0, 0, 1, 0, data.length, 0, 0, ...device, name.length, 0];
    const header = `070701${numbers.map((n) => n.toString(16).padStart(8, "0")).join("")}`;
    return Buffer.concat([padded(Buffer.concat([Buffer.from(header), name])), padded(data)]);
  });
  return Buffer.concat(entries);
}

export interface GuestRun {
  readonly output: string;
  readonly status: number;
}

/**
 * Runs the program once for each list of arguments. The guest's root contains a copy of one folder of this
 * checkout. Throws Error, with the machine's output, when the machine does not finish.
 */
export async function runUnderBochs(
  program: string,
  commands: readonly (readonly string[])[],
  folder: string,
  timeoutMs: number,
): Promise<GuestRun[]> {
  const work = mkdtempSync(join(tmpdir(), "edgefront-bochs-"));
  try {
    const init = join(work, "init");
    execFileSync("cc", ["-O2", "-static", "-o", init, join(import.meta.dirname, "guest-init.c")]);
    const source = join(import.meta.dirname, "..", "..", folder);
    const iso = join(work, "iso");
    mkdirSync(iso);
    writeFileSync(
      join(iso, "initrd"),
      initramfs([
        { path: "dev", mode: 0o040755 },
        { path: "dev/console", mode: 0o020600, device: [5, 1] },
        { path: "init", mode: 0o100755, data: readFileSync(init) },
        { path: "tests", mode: 0o100755, data: readFileSync(program) },
        ...folder
          .split("/")
          .map((_, i, names) => ({ path: names.slice(0, i + 1).join("/"), mode: 0o040755 })),
        ...readdirSync(source).map((name) => ({
          path: `${folder}/${name}`,
          mode: 0o100644,
          data: readFileSync(join(source, name)),
        })),
        {
          path: "commands",
          mode: 0o100644,
          data: Buffer.from(commands.map((words) => `${words.join(" ")}\n`).join("")),
        },
      ]),
    );
    writeFileSync(join(iso, "linux"), readFileSync(guestKernel()!));
    writeFileSync(join(iso, "isolinux.bin"), readFileSync(FILES.loader));
    writeFileSync(join(iso, "ldlinux.c32"), readFileSync(FILES.module));
    const boot = [
      "DEFAULT linux",
      "LABEL linux",
      "KERNEL linux",
      "INITRD initrd",
      `APPEND ${KERNEL.join(" ")}`,
    ];
    writeFileSync(join(iso, "isolinux.cfg"), `${boot.join("\n")}\n`);
    const image = join(work, "boot.iso");
    const bootable = ["-b", "isolinux.bin", "-c", "boot.cat", "-no-emul-boot", "-boot-load-size", "4"];
    execFileSync("xorriso", ["-as", "mkisofs", "-quiet", "-o", image, ...bootable, "-boot-info-table", iso], {
      stdio: "pipe",
    });
    const serial = await boots(work, image, timeoutMs);
    const runs = [...serial.matchAll(/([\s\S]*?)^guest: status (-?\d+), ([\d.]+) emulated seconds$/gm)];
    if (!/^guest: done$/m.test(serial) || runs.length !== commands.length)
      throw new Error(`the machine that Bochs emulates ended early; its last lines:\n${serial.slice(-2000)}`);
    return runs.map(([, output, status]) => ({ output: output!, status: Number(status) }));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Boots an image, and returns the output on the serial port until the machine ended. */
async function boots(work: string, image: string, timeoutMs: number): Promise<string> {
  const serial = join(work, "serial.txt");
  const configuration = [
    "config_interface: textconfig",
    "display_library: term",
    "plugin_ctrl: unmapped=1, biosdev=1, serial=1, extfpuirq=1, speaker=0, parallel=0, gameport=0, iodebug=0",
    `romimage: file="${FILES.bios}"`,
    `vgaromimage: file="${FILES.vga}"`,
    "megs: 512",
    // The first of Bochs's models with AVX-512 VNNI.
    `cpu: model=corei7_icelake_u, count=1, ips=${INSTRUCTIONS_PER_SECOND}, reset_on_triple_fault=0`,
    "clock: sync=none",
    "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14",
    `ata0-master: type=cdrom, path="${image}", status=inserted`,
    "boot: cdrom",
    `com1: enabled=1, mode=file, dev="${serial}"`,
    `log: ${join(work, "bochs.log")}`,
    "panic: action=fatal",
    "error: action=ignore",
  ];
  writeFileSync(join(work, "bochsrc"), `${configuration.join("\n")}\n`);
  // Distributions build Bochs with its debugger, which waits for a command to continue.
  writeFileSync(join(work, "go"), "c\n");
  const help = await execa("bochs", ["--help"], { reject: false, timeout: 30_000, all: true });
  const go = help.all?.includes("-rc ") ? ` -rc ${join(work, "go")}` : "";
  // Bochs's terminal display needs a terminal.
  const run = `exec bochs -q -f ${join(work, "bochsrc")}${go}`;
  await execa("script", ["-qec", run, "/dev/null"], {
    reject: false,
    timeout: timeoutMs,
    stdio: ["ignore", "ignore", "ignore"],
    cwd: dirname(serial),
    env: { TERM: "vt100" },
  });
  return existsSync(serial) ? readFileSync(serial, "utf8").replaceAll("\r", "") : "";
}
