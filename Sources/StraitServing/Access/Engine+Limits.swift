// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

extension Engine {
    /// Counts a request whose tenant had sent as much as it may.
    package func noteOverLimit() { state.withLock { $0.countRefused(.tenantLimit, nil, nil) } }
}
