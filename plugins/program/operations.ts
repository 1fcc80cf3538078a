// SPDX-License-Identifier: MIT

import type { AttachOperations } from '../commands/attach-operations.ts';
import type { ConfigOperations } from '../commands/config-operations.ts';
import type { IrqOperations } from '../commands/irq-operations.ts';
import type { PluginOperations } from '../commands/plugins-operations.ts';
import type { ReloadOperations } from '../commands/reload-operations.ts';
import type { UpgradeOperations } from '../commands/upgrade-operations.ts';
import type { ControlOperations } from '../control/operations.ts';
import type { HealthOperations } from '../health/operations.ts';
import type { LedgerOperations } from '../ledger/operations.ts';
import type { MetricsOperations } from '../metrics/operations.ts';
import type { ExplainOperations } from '../observe/explain-operations.ts';
import type { QuirkOperations } from '../observe/quirk-operations.ts';
import type { VfioUserOperations } from '../platforms/vfio-user/operations.ts';
import type { RecoveryOperations } from '../recovery/operations.ts';
import type { ResetOperations } from '../resets/reset-operations.ts';
import type { SwitchOperations } from '../switches/operations.ts';

/** What a running pciback with its bundled plugins can be asked: `context.control<BundledOperations>()` in a command. */
export type BundledOperations = AttachOperations &
  ConfigOperations &
  ControlOperations &
  ExplainOperations &
  HealthOperations &
  IrqOperations &
  LedgerOperations &
  MetricsOperations &
  PluginOperations &
  QuirkOperations &
  RecoveryOperations &
  ReloadOperations &
  UpgradeOperations &
  ResetOperations &
  SwitchOperations &
  VfioUserOperations;
