//! `tamis devices`: the adapters of this machine, and what `--backend auto` chooses and why.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::args::{Common, Devices, TextOrJson};
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};
use crate::cli::output::with_output;
use crate::gpu::{AdapterDescription, AdapterSelector, adapters};
use crate::matching::BackendRequest;
use crate::matching::calibrate::{Measurement, Winner, measure_adapter, measurement, why_cpu};
use crate::matching::popcount::InstructionSet;
use crate::source::size::Bytes;

/// What the command found.
#[derive(Serialize)]
struct Report {
    threads: usize,
    instructions: Vec<InstructionSet>,
    adapters: Vec<AdapterDescription>,
    auto: Winner,
    reason: String,
    measurement: Option<Measurement>,
}

/// Runs the command. A GPU requested by `--backend gpu` or `gpu:NAME` is measured, whatever its kind.
///
/// # Errors
/// If the requested GPU is not there, or the sink fails.
pub fn run(command: &Devices, common: &Common, console: &Console) -> Result<Finished, CliError> {
    let named = match &common.backend {
        BackendRequest::Gpu(None) => Some(AdapterSelector::Any),
        BackendRequest::Gpu(Some(name)) => Some(AdapterSelector::Named(name.clone())),
        BackendRequest::Auto | BackendRequest::Cpu => None,
    };
    let adapters = adapters();
    if command.measure || named.is_some() {
        console.note("measuring…");
    }
    let measured = measurement(command.measure);
    let (auto, reason) = match &measured {
        Ok(measurement) => measurement.confirmation(),
        Err(error) => (Winner::Cpu, why_cpu(error)),
    };
    let measurement = match named {
        Some(selector) => Some(measure_adapter(&selector).map_err(CliError::failed)?),
        None => measured.ok(),
    };
    let report = Report {
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        instructions: InstructionSet::available(),
        adapters,
        auto,
        reason,
        measurement,
    };
    with_output(command.summary.output.as_deref(), |out| match command.summary.format {
        TextOrJson::Text => out.write_all(render(&report).as_bytes()).map_err(CliError::failed),
        TextOrJson::Json => {
            serde_json::to_writer_pretty(&mut *out, &report).map_err(CliError::failed)?;
            out.write_all(b"\n").map_err(CliError::failed)
        }
    })?;
    Ok(Finished::Done)
}

fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_report(&mut text, report);
    text
}

fn write_report(text: &mut String, report: &Report) -> std::fmt::Result {
    let names: Vec<&str> = report.instructions.iter().map(|set| set.name()).collect();
    writeln!(text, "CPU: {} threads; vectors: {} (the first is used)", report.threads, names.join(", "))?;
    if report.adapters.is_empty() {
        writeln!(text, "GPU: none (no Vulkan, Metal or Direct3D 12 driver)")?;
    }
    for adapter in &report.adapters {
        writeln!(text, "GPU: {}", adapter.name)?;
        writeln!(text, "     {}, {}, driver {}", adapter.kind, adapter.api, adapter.driver)?;
        writeln!(
            text,
            "     buffers up to {}, bindings up to {}, workgroup memory {}, {} workgroups per dimension",
            Bytes(adapter.max_buffer_bytes),
            Bytes(adapter.max_binding_bytes),
            Bytes(u64::from(adapter.workgroup_memory_bytes)),
            adapter.max_workgroups
        )?;
    }
    let taken = match report.auto {
        Winner::Cpu => "cpu",
        Winner::Gpu => "gpu",
    };
    writeln!(text, "--backend auto chooses: {taken} ({}); for small hash sets always cpu", report.reason)?;
    let Some(measurement) = &report.measurement else { return Ok(()) };
    writeln!(text, "Measured on {}:", measurement.adapter)?;
    let row = |name: &str, cpu: f64, gpu: f64| {
        format!("  {name:<16}  {cpu:>10.2e}  {gpu:>10.2e}  {:>8.2}", gpu / cpu)
    };
    writeln!(text, "  {:<16}  {:>10}  {:>10}  {:>8}", "", "CPU", "GPU", "GPU/CPU")?;
    let Measurement {
        cpu_pairs_per_second,
        gpu_pairs_per_second,
        cpu_tiles_per_second,
        gpu_tiles_per_second,
        ..
    } = *measurement;
    writeln!(text, "{}", row("search, pairs/s", cpu_pairs_per_second, gpu_pairs_per_second))?;
    writeln!(text, "{}", row("hash, tiles/s", cpu_tiles_per_second, gpu_tiles_per_second))
}
