import { Dialog } from "./ui/dialog";

const KEYS: [string[], string][] = [
  [["/"], "Search jobs"],
  [["j", "k"], "Next, previous job"],
  [["enter"], "Open the job"],
  [["x"], "Select the job"],
  [["X"], "Select all from the last one to here"],
  [["c"], "Cancel the job, or all selected"],
  [["r"], "Redrive the failed job, or all selected"],
  [["n"], "New job"],
  [["esc"], "Back to the list, close"],
  [["?"], "This help"],
];

export function KeyboardHelp({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog open={open} onClose={onClose} title="Keyboard">
      <dl className="key-list">
        {KEYS.map(([keys, what]) => (
          <div key={what}>
            <dt>{what}</dt>
            <dd>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
