//! Data in a table, and how the net is to be trained on it.

use super::Generator;

/// A column of the data that the net reads.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub dims: Vec<u32>,
    /// The number of cases, if it is a class.
    pub cases: Option<u32>,
}

/// What follows `optimizer =`. The last is written in the program.
const OPTIMIZERS: &[&str] = &[
    "sgd(lr = 0.1)",
    "sgd(lr = exponential(0.05, half = 2), momentum = 0.9)",
    "nesterov(lr = 1e-2)",
    "adam(lr = cosine(1e-2, warmup = 2))",
    "adamw(lr = 1e-3)",
    "rmsprop(lr = linear(1e-3))",
    "adagrad",
    "lamb(lr = warmup(0.1, 2))",
    "adadelta",
    "radam(lr = one_cycle(0.1))",
    "nadam(lr = piecewise([0.1, 0.01], [2]))",
    "own(lr = step(0.1, every = 1))",
];

const OWN: &str = "optimizer own(lr = 0.1, keep = 0.5)(w, g) {
  state v = 0
  state u = 1
  v' = keep * v + (1 - keep) * g
  u' = max(u, abs(g))
  w' = w - lr * (if step > 1 then v' / u' else tanh(g))
}

";

impl Generator {
    /// Writes a table with a column for each that the net reads, and a `train` block.
    pub fn training(&mut self) {
        let columns = self.columns.clone();
        let declared = columns.iter().map(|column| {
            let sizes: Vec<String> = column.dims.iter().map(u32::to_string).collect();
            if sizes.is_empty() {
                column.name.clone()
            } else {
                format!("{}[{}]", column.name, sizes.join(", "))
            }
        });
        let mut table = format!("data rows = table {{\n  {}\n", declared.collect::<Vec<_>>().join(" "));
        for _ in 0..self.random.between(1, 4) {
            let cells: Vec<String> = columns.iter().flat_map(|column| self.cells(column)).collect();
            table += &format!("  {}\n", cells.join(" "));
        }
        self.text += &format!("\n{table}}}\n\n");
        let optimizer = *self.random.pick(OPTIMIZERS);
        if optimizer.starts_with("own") {
            self.text += OWN;
        }
        let clip = *self.random.pick(&["", "", "  clip = norm(0.5)\n", "  clip = value(0.1)\n"]);
        self.text += &format!(
            "train random on rows {{\n  optimizer = {optimizer}\n{clip}  batch = 2\n  epochs = 2\n  seed = 1\n}}\n"
        );
    }

    /// A row's cells of one column.
    fn cells(&mut self, column: &Column) -> Vec<String> {
        let count: u32 = column.dims.iter().product();
        let mut cell = || match column.cases {
            Some(cases) => self.random.below(cases as usize).to_string(),
            None => self.random.pick(&["0", "1", "-1", "0.5", "-2.25", "1e-3"]).to_string(),
        };
        (0..count).map(|_| cell()).collect()
    }
}
